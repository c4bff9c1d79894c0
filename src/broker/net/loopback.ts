/** Whether an IP address, also an IPv4 one written as IPv6, is of this computer only (RFC 1122, RFC 4291). */
export const isLoopback = (address: string): boolean => /^(::ffff:)?127\.|^::1$/.test(address);
