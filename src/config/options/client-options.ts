import { MAX_REMAINING_LENGTH, packetSize } from "../../protocol/remaining-length.js";
import type { OptionTable } from "./option.js";
import { flag, number, protocolVersion, shortBytes, text } from "./parsers.js";

/** A day; longer waits are surely a mistake. */
export const MAX_SECONDS = 86_400;
/** MQTT 5 has four bytes for it. As a session expiry it means "without a limit" (3.1.2.11.2). */
export const MAX_MQTT_SECONDS = 0xff_ff_ff_ff;

const MAX_PACKET_BYTES = packetSize(MAX_REMAINING_LENGTH);

export const connectionOptions = {
  broker: {
    group: "Broker",
    alias: "b",
    value: "BROKER",
    example: "127.0.0.1:1883",
    derived: "local",
    common: true,
    shared: true,
    read: text,
    help: "local, hivemq, HOST[:PORT], a URL (mqtt, mqtts, ws or wss), or a list a,b,c to try in order",
  },
  host: {
    group: "Broker",
    alias: "h",
    value: "HOST",
    shared: true,
    read: text,
    help: "connect to HOST, as with mosquitto_pub; not with --broker",
  },
  port: {
    group: "Broker",
    alias: "p",
    value: "PORT",
    example: "1884",
    derived: "1883; 8883 with TLS",
    shared: true,
    read: number(1, 65_535, true),
    help: "connect to PORT; not with --broker",
  },
  "clean-session": {
    group: "Session",
    value: null,
    default: "false",
    shared: true,
    read: flag,
    help: "use a clean session: it ends with the connection",
  },
  "keep-alive": {
    group: "Session",
    alias: "k",
    value: "SECONDS",
    example: "60",
    derived: "60; 5 with --fail keep-alive",
    shared: true,
    read: number(0, 65_535, true),
    help: "send a packet at least every SECONDS; after 1.5 times that in silence the broker publishes the will",
  },
  username: {
    group: "Broker",
    alias: "u",
    value: "NAME",
    shared: true,
    read: text,
    help: "log in at the broker as NAME",
  },
  password: {
    group: "Broker",
    alias: "P",
    value: "PASSWORD",
    shared: true,
    secret: true,
    read: shortBytes,
    help: "log in with PASSWORD; better: the environment variable LWT_PASSWORD",
  },
  cafile: {
    group: "TLS",
    value: "FILE",
    shared: true,
    read: text,
    help: "trust the certificates in FILE (PEM) and no others",
  },
  cert: {
    group: "TLS",
    value: "FILE",
    shared: true,
    read: text,
    help: "use FILE as this client's certificate (PEM)",
  },
  key: {
    group: "TLS",
    value: "FILE",
    shared: true,
    read: text,
    help: "use FILE as the private key of --cert (PEM)",
  },
  insecure: {
    group: "TLS",
    value: null,
    default: "false",
    shared: true,
    read: flag,
    help: "accept any certificate, also a false one",
  },
  "protocol-version": {
    group: "Broker",
    alias: "V",
    value: "VERSION",
    default: "3.1.1",
    shared: true,
    read: protocolVersion,
    help: "speak MQTT 3.1.1 (also 311, mqttv311) or 5 (also mqttv5)",
  },
  "session-expiry": {
    group: "Session",
    value: "SECONDS",
    example: "3600",
    derived: "86400 with MQTT 5",
    shared: true,
    read: number(0, MAX_MQTT_SECONDS, true),
    help: "MQTT 5: store the session for SECONDS after the connection; 0: not at all",
  },
  "connect-timeout": {
    group: "Broker",
    value: "SECONDS",
    example: "30",
    derived: "60 on this machine, else 15",
    shared: true,
    read: number(0.1, MAX_SECONDS, false),
    help: "retry the first connection for SECONDS",
  },
  "reconnect-timeout": {
    group: "Broker",
    value: "SECONDS",
    default: "300",
    shared: true,
    read: number(0, MAX_SECONDS, false),
    help: "retry for SECONDS after a lost connection",
  },
  "max-packet": {
    group: "Limits",
    value: "BYTES",
    default: "4194304",
    shared: true,
    read: number(1024, MAX_PACKET_BYTES, true),
    help: "acknowledge and discard messages larger than BYTES, with a warning",
  },
  timeout: {
    group: "Limits",
    alias: "W",
    value: "SECONDS",
    example: "60",
    shared: true,
    read: number(0.1, MAX_SECONDS, false),
    help: "stop after SECONDS with exit code 27",
  },
} satisfies OptionTable;

export const outputOptions = {
  json: {
    group: "Output",
    value: null,
    default: "false",
    common: true,
    read: flag,
    help: "print one JSON object per event",
  },
  quiet: {
    group: "Output",
    value: null,
    default: "false",
    read: flag,
    help: "print errors and the summary only",
  },
} satisfies OptionTable;

export const debugOptions = {
  debug: {
    group: "Output",
    alias: "d",
    value: null,
    default: "false",
    read: flag,
    help: "print every packet in both directions on stderr",
  },
} satisfies OptionTable;

export const sourceOptions = {
  "env-file": {
    group: "General",
    value: "FILE",
    derived: ".env, if there is one",
    typedOnly: true,
    read: text,
    help: "read settings from FILE",
  },
  "show-settings": {
    group: "General",
    value: null,
    default: "false",
    typedOnly: true,
    read: flag,
    help: "print every setting and where its value comes from, then exit",
  },
} satisfies OptionTable;

export const helpOptions = {
  help: {
    group: "General",
    value: null,
    default: "false",
    common: true,
    typedOnly: true,
    read: flag,
    help: "show the common options; --help all: every option",
  },
  version: {
    group: "General",
    value: null,
    default: "false",
    typedOnly: true,
    read: flag,
    help: "print the version",
  },
} satisfies OptionTable;
