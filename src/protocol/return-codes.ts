/** CONNACK return codes that refuse a CONNECT (MQTT 3.1.1, 3.2.2.3). */
export const ReturnCode = {
  unacceptableProtocolVersion: 1,
  identifierRejected: 2,
  serverUnavailable: 3,
  badUserNameOrPassword: 4,
  notAuthorized: 5,
} as const;
export type ReturnCode = (typeof ReturnCode)[keyof typeof ReturnCode];

interface ReturnCodeInfo {
  /** The words of the standard. */
  name: string;
  reason: string;
  hint: string;
}

export const returnCodes: Record<number, ReturnCodeInfo> = {
  [ReturnCode.unacceptableProtocolVersion]: {
    name: "unacceptable protocol version",
    reason: "it does not speak this version of MQTT (return code 1)",
    hint: "Use a broker that speaks MQTT 3.1.1, for example npx lwt-broker.",
  },
  [ReturnCode.identifierRejected]: {
    name: "client identifier rejected",
    reason: "it does not accept this client identifier (return code 2)",
    hint: "Choose another one: --client-id NAME, letters and digits, 23 at most.",
  },
  [ReturnCode.serverUnavailable]: {
    name: "server unavailable",
    reason: "its MQTT service is not available (return code 3)",
    hint: "Try again in a moment, or use another broker: --broker HOST",
  },
  [ReturnCode.badUserNameOrPassword]: {
    name: "bad user name or password",
    reason: "the user name or password is wrong (return code 4)",
    hint: "Check the user name and the password, for example in LWT_USERNAME and LWT_PASSWORD.",
  },
  [ReturnCode.notAuthorized]: {
    name: "not authorized",
    reason: "this client is not allowed to connect (return code 5)",
    hint: "Log in with LWT_USERNAME and LWT_PASSWORD. If you did, use topics that this user may use, for example with --machine NAME.",
  },
};
