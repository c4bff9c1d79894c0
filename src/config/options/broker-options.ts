import { LIMITS } from "../../broker/limits/limits.js";
import { debugOptions, helpOptions, outputOptions } from "./client-options.js";
import type { OptionTable } from "./option.js";
import { flag, number, oneOf, origin, text } from "./parsers.js";

export const brokerOptions = {
  port: {
    alias: "p",
    value: "PORT",
    default: "1883",
    common: true,
    read: number(0, 65_535, true),
    help: "0 takes a free one",
  },
  host: {
    value: "ADDRESS",
    default: "127.0.0.1",
    common: true,
    read: text,
    help: "listen on this address; 0.0.0.0 is every one",
  },
  users: {
    value: "FILE",
    common: true,
    read: text,
    help: "let in the users in this file only, each for its topics; lwt-broker passwd FILE USER writes it",
  },
  "tls-cert": {
    value: "FILE",
    read: text,
    help: "listen for TLS too (1.2 and newer), with this certificate (PEM); WebSockets are over TLS then",
  },
  "tls-key": { value: "FILE", read: text, help: "the private key of --tls-cert (PEM)" },
  "tls-port": {
    value: "PORT",
    derived: "8883 with --tls-cert",
    read: number(0, 65_535, true),
    help: "where to listen for MQTT over TLS",
  },
  "tls-only": { value: null, default: "false", read: flag, help: "no --port: nothing without TLS" },
  "ws-port": {
    value: "PORT",
    read: number(0, 65_535, true),
    help: "MQTT over WebSocket too, at /mqtt",
  },
  "ws-origin": {
    value: "ORIGIN",
    list: true,
    read: origin,
    help: "with --ws-port: browsers may come from here, as from this computer's own pages; may be repeated",
  },
  "max-packet": {
    value: "BYTES",
    default: String(LIMITS["packet-bytes"].default),
    read: number(1024, 268_435_455, true), // which is MQTT's own limit (2.2.3)
    help: "of one packet; past that its sender is disconnected",
  },
  "max-connections": {
    value: "N",
    default: String(LIMITS.connections.default),
    read: number(1, 1_000_000, true),
    help: "at once; past that who comes is refused",
  },
  "max-queued": {
    value: "N",
    default: String(LIMITS["queued-messages"].default),
    read: number(1, 10_000_000, true),
    help: "messages a session; past that its oldest unsent one goes",
  },
  data: {
    value: "DIR",
    common: true,
    read: text,
    help: "keep sessions, queues, retained messages and wills in this folder; without it all is in memory",
  },
  sync: {
    value: "WHAT",
    derived: "disk",
    read: oneOf("disk", "write"),
    help: "with --data, acknowledge what survives a power cut (disk), or the death of the process (write)",
  },
  salvage: {
    value: null,
    default: "false",
    read: flag,
    help: "of a damaged --data folder keep what can be read, and name the rest",
  },
  broker: {
    alias: "b",
    value: "BROKER",
    derived: "127.0.0.1, --port",
    read: text,
    help: "with status: the broker to ask, HOST[:PORT] or a URL",
  },
  ...outputOptions,
  ...debugOptions,
  ...helpOptions,
} satisfies OptionTable;
