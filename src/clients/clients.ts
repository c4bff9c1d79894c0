/** The clients; the commands load them, and mqtt with them, after their options are read. */
export { runSubscriber } from "./subscriber.js";
export { runFleet } from "./fleet.js";
export { runPublisher } from "./publisher.js";
export { fetchBrokerStatus } from "./fetch-broker-status.js";
