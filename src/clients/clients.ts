/** What the commands load once their options are read, where they talk to a broker: with it comes mqtt. */
export { runSubscriber } from "./subscriber.js";
export { runFleet } from "./fleet.js";
export { runPublisher } from "./publisher.js";
export { fetchBrokerStatus } from "./fetch-broker-status.js";
