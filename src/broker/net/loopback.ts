/** Whether an IP address is a loopback address, also an IPv4 one written as IPv6 (RFC 1122, RFC 4291). */
export const isLoopback = (address: string): boolean => /^(::ffff:)?127\.|^::1$/.test(address);
