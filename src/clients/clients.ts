/** What the client commands load once their options are read: with it comes mqtt. */
export { publishReadings } from "./publisher.js";
export { followTopics } from "./subscriber.js";
