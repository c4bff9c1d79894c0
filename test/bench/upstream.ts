/** Costs in dependencies, from profiles. The shares are from `npm run bench -- profile`. */
export const UPSTREAM = `## For upstream

Shares are of a process's time in \`npm run bench -- profile\`, 100 000 messages at QoS 1.

- mqtt.js, receiving: 42 % of \`sub-lwt --quiet\` was \`writev\`, one system call for each PUBACK, before it gathered
  them itself. In \`lib/client.js\` \`work\` takes each packet of a chunk in a turn of \`nextTick\` of its own, and in mqtt-packet \`writeToStream\` corks the stream
  and uncorks it in the next one, so that nothing is ever gathered. Proposed: \`writable._write\` corks the client's
  stream before it parses, and uncorks it where it calls \`completeParse\`, so that what a chunk makes it answer is one
  write. Tried from outside, corking at \`packetreceive\` and uncorking in \`setImmediate\`, a bare subscriber that took
  100 000 queued messages from lwt-broker needed 15.1 µs of processor time a message in place of 25.1.
- mqtt.js, publishing: 15 % of \`pub-lwt --interval 0\` is its own code, spread thin; \`_removeOutgoingAndStoreMessage\` and
  \`handleAck\` lead with 2.2 % each, and a fifth is garbage collection, of pub-lwt's own objects too. Proposed: one
  callback a message in place of a closure at each layer, and a \`Map\` for \`outgoing\`, which is an object from which a key
  is deleted for every acknowledgment.
- mqtt-packet and bl: 3 to 6 % and 2 to 5 %. With \`FastBuffer\` and \`subarray\` of Node (6 % in lwt-broker) most of that
  is copying and cutting pieces of what was read. Proposed: parse straight from the chunk where a packet lies in one
  whole, as nearly all do, and go to the list of pieces only for one that is cut in two.
- aedes: 6 % of lwt-broker. \`handlePuback\` leads with 1.8 %: it waits for a promise of the persistence for each
  acknowledgment, and then emits \`ack\` though nobody listens. Proposed: let a persistence answer at once, by a callback,
  and emit where \`listenerCount\` is not 0.
`;
