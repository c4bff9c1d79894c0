import assert from "node:assert/strict";
import { test } from "node:test";
import { machineStateOf } from "../../../src/domain/machine-status.js";
import { machineOf } from "../../../src/protocol/topics.js";

test("a machine and its status are recognized by the topic", () => {
  assert.equal(machineOf("Binil/Machine1/SensorData", "Binil"), "Machine1");
  assert.equal(machineOf("Binil/Machine1/other", "Binil"), null);
  assert.equal(machineOf("sensors/lastwill", "Binil"), null);
  assert.deepEqual(machineStateOf("Binil/M/Status", "Sensor Offline", "Binil"), {
    machine: "M",
    state: "offline",
  });
  assert.deepEqual(machineStateOf("sensors/lastwill", "Sensor Offline", "Binil"), {
    machine: null,
    state: "offline",
  });
  assert.equal(machineStateOf("Binil/M/SensorData", "Sensor Offline", "Binil"), null);
  assert.equal(machineStateOf("Binil/M/Status", "sensor offline", "Binil"), null);
});
