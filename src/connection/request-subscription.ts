import type { MqttClient } from "mqtt";
import type { QoS } from "../events/events.js";
import type { BrokerAddress } from "../protocol/broker-url.js";
import { topicFilterProblem } from "../protocol/topics.js";
import { badTopic, noSuback, notAcknowledged } from "./connection-errors.js";
import { ProtocolError } from "./packet-framer.js";

interface SubscriptionRequest {
  topicFilters: string[];
  qos: QoS;
  broker: BrokerAddress;
  timeoutMs: number;
  /** Milliseconds since the last packet was received. */
  quietFor: () => number;
  onProtocolError: (error: ProtocolError) => void;
}

/** @throws UserError `bad-topic` */
export function checkTopicFilters(topicFilters: string[]): void {
  const problems = topicFilters.map(topicFilterProblem);
  const problem = topicFilters.length === 0 ? "there is none" : problems.find(each => each !== null);
  if (problem) throw badTopic("subscribed to", problem);
}

export const isQos = (code: number): code is QoS => code === 0 || code === 1 || code === 2;

/** Sends SUBSCRIBE. @returns the codes in SUBACK, one for each filter */
export function requestSubscription(
  client: MqttClient,
  { topicFilters, qos, broker, timeoutMs, quietFor, onProtocolError }: SubscriptionRequest,
): Promise<readonly number[]> {
  const since = performance.now();
  return new Promise((resolve, reject) => {
    const checkTime = () => {
      // Messages before the SUBACK are read at the pace of the sink.
      const waited = Math.min(performance.now() - since, quietFor());
      if (waited >= timeoutMs) reject(noSuback(broker, timeoutMs / 1000));
      else timer = setTimeout(checkTime, timeoutMs - waited);
    };
    let timer = setTimeout(checkTime, timeoutMs);
    // mqtt.js makes an error of an answer of 0x80, but passes the SUBACK beside it.
    client.subscribe(topicFilters, { qos }, (_error, _subscriptions, suback) => {
      clearTimeout(timer);
      const granted = (suback?.granted ?? []) as number[];
      if (granted.length === topicFilters.length) return resolve(granted);
      if (suback)
        onProtocolError(
          new ProtocolError(
            `SUBACK with ${granted.length} codes for ${topicFilters.length} filters [MQTT-3.8.4-5]`,
          ),
        );
      reject(notAcknowledged("SUBSCRIBE"));
    });
  });
}
