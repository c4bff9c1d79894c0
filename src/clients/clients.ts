/** What the commands load once their options are read, where they talk to a broker: with it comes mqtt. */
export { followTopics } from "./subscriber.js";
export { runFleet } from "./fleet.js";
export { publishReadings } from "./publisher.js";
export { tellBrokerStatus } from "./fetch-broker-status.js";
