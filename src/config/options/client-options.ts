import { MAX_REMAINING_LENGTH, packetSize } from "../../protocol/remaining-length.js";
import type { OptionTable } from "./option.js";
import { flag, number, protocolVersion, shortBytes, text } from "./parsers.js";

/** A day; longer waits are surely a mistake. */
export const MAX_SECONDS = 86_400;
/** MQTT 5 has four bytes for it. As a session expiry it means "for ever" (3.1.2.11.2). */
export const MAX_MQTT_SECONDS = 0xff_ff_ff_ff;

const MAX_PACKET_BYTES = packetSize(MAX_REMAINING_LENGTH);

export const connectionOptions = {
  broker: {
    alias: "b",
    value: "BROKER",
    derived: "local",
    common: true,
    shared: true,
    read: text,
    help: "local, hivemq, HOST[:PORT], or a URL: mqtt, mqtts, ws, wss; or several, as in a,b,c: tried in turn",
  },
  host: {
    alias: "h",
    value: "HOST",
    shared: true,
    read: text,
    help: "the broker's host, as in mosquitto_pub; not with --broker",
  },
  port: {
    alias: "p",
    value: "PORT",
    derived: "1883; 8883 with TLS",
    shared: true,
    read: number(1, 65_535, true),
    help: "the broker's port; not with --broker",
  },
  "clean-session": {
    value: null,
    default: "false",
    shared: true,
    read: flag,
    help: "forget the session when the connection ends",
  },
  "keep-alive": {
    alias: "k",
    value: "SECONDS",
    derived: "60; 5 with --fail keep-alive",
    shared: true,
    read: number(0, 65_535, true),
    help: "after 1.5 times this in silence the broker sends the will",
  },
  username: { alias: "u", value: "NAME", shared: true, read: text, help: "user name for the broker" },
  password: {
    alias: "P",
    value: "PASSWORD",
    shared: true,
    secret: true,
    read: shortBytes,
    help: "better in the environment, as LWT_PASSWORD",
  },
  cafile: {
    value: "FILE",
    shared: true,
    read: text,
    help: "TLS: trust the certificates in this file (PEM) and no others",
  },
  cert: { value: "FILE", shared: true, read: text, help: "TLS: this client's own certificate (PEM)" },
  key: { value: "FILE", shared: true, read: text, help: "TLS: the private key of --cert (PEM)" },
  insecure: {
    value: null,
    default: "false",
    shared: true,
    read: flag,
    help: "TLS: accept any certificate, so anyone's broker",
  },
  "protocol-version": {
    alias: "V",
    value: "VERSION",
    default: "3.1.1",
    shared: true,
    read: protocolVersion,
    help: "MQTT's: 3.1.1, also written 311 or mqttv311; or 5, also mqttv5",
  },
  "session-expiry": {
    value: "SECONDS",
    derived: "86400 with MQTT 5",
    shared: true,
    read: number(0, MAX_MQTT_SECONDS, true),
    help: "MQTT 5: keep the session so long without a connection; 0: not at all",
  },
  "connect-timeout": {
    value: "SECONDS",
    derived: "60 on this machine, else 15",
    shared: true,
    read: number(0.1, MAX_SECONDS, false),
    help: "go on trying for the first connection so long",
  },
  "reconnect-timeout": {
    value: "SECONDS",
    default: "300",
    shared: true,
    read: number(0, MAX_SECONDS, false),
    help: "go on trying so long after a connection was lost",
  },
  "max-packet": {
    value: "BYTES",
    default: "4194304",
    shared: true,
    read: number(1024, MAX_PACKET_BYTES, true),
    help: "a larger message is acknowledged and thrown away, with a warning",
  },
  timeout: {
    alias: "W",
    value: "SECONDS",
    shared: true,
    read: number(0.1, MAX_SECONDS, false),
    help: "stop by itself after so long, with exit code 27",
  },
} satisfies OptionTable;

export const outputOptions = {
  json: {
    value: null,
    default: "false",
    common: true,
    read: flag,
    help: "print events, one JSON object a line",
  },
  quiet: { value: null, default: "false", read: flag, help: "print errors and the summary only" },
} satisfies OptionTable;

export const debugOptions = {
  debug: {
    alias: "d",
    value: null,
    default: "false",
    read: flag,
    help: "every packet in both directions, on stderr",
  },
} satisfies OptionTable;

export const sourceOptions = {
  "env-file": {
    value: "FILE",
    derived: ".env, if there is one",
    typedOnly: true,
    read: text,
    help: "read settings from this file",
  },
  "show-settings": {
    value: null,
    default: "false",
    typedOnly: true,
    read: flag,
    help: "print every setting and where it came from, then exit",
  },
} satisfies OptionTable;

export const helpOptions = {
  help: {
    value: null,
    default: "false",
    common: true,
    typedOnly: true,
    read: flag,
    help: "the options that people need; --help all has them all",
  },
  version: { value: null, default: "false", typedOnly: true, read: flag, help: "print the version" },
} satisfies OptionTable;
