export type QoS = 0 | 1 | 2;

export type ProtocolVersion = "3.1.1" | "5";
