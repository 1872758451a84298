import assert from "node:assert/strict";
import { test } from "node:test";

import {
  applyAnswer,
  applyDisconnect,
  applyReading,
  applyStatus,
  createBikes,
  heardBikes,
  isHeard,
  onlyBike,
} from "../../gateway/static/dashboard/bikes.js";

function reading(seq, { epoch = 1, device_id = "ebike-001" } = {}) {
  return { device_id, epoch, seq, ts_ms: 1, speed_kmh: seq };
}

test("an answer adds bikes and newest readings", () => {
  const bikes = createBikes();
  applyAnswer(bikes, { "ebike-001": { online: true, cursor: "1-4", latest: reading(4) } });
  assert.equal(bikes.get("ebike-001").online, true);
  assert.equal(bikes.get("ebike-001").reading.seq, 4);
});

test("a status keeps the newest reading", () => {
  const bikes = createBikes();
  applyReading(bikes, reading(4));
  applyStatus(bikes, { device_id: "ebike-001", online: false, epoch: 1, model: "Stadtrad" });
  const { online, model, reading: known } = bikes.get("ebike-001");
  assert.deepEqual([online, model, known.seq], [false, "Stadtrad", 4]);
});

test("only a newer reading or epoch replaces", () => {
  const bikes = createBikes();
  applyReading(bikes, reading(9, { epoch: 2 }));
  applyReading(bikes, reading(8, { epoch: 2 }));
  assert.equal(bikes.get("ebike-001").reading.seq, 9);
  applyReading(bikes, reading(1, { epoch: 1 }));
  assert.equal(bikes.get("ebike-001").reading.seq, 1);
});

test("a requested bike is not heard", () => {
  const bikes = createBikes();
  applyAnswer(bikes, { "ebike-404": { online: false, cursor: "0-0", latest: null } });
  applyStatus(bikes, { device_id: "ebike-404", online: false, epoch: 0, last_seq: 0, ts_ms: 0 });
  assert.equal(isHeard(bikes.get("ebike-404")), false);
  assert.equal(isHeard(undefined), false);
  assert.deepEqual(heardBikes(bikes), []);
});

test("a bike that is refused was heard", () => {
  const bikes = createBikes();
  applyStatus(bikes, { device_id: "b", online: false, epoch: null, refused: "old_epoch" });
  assert.equal(isHeard(bikes.get("b")), true);
});

test("the only bike until another is heard", () => {
  const bikes = createBikes();
  assert.equal(onlyBike(bikes), null);
  applyStatus(bikes, { device_id: "a", online: false, epoch: 1 });
  assert.equal(onlyBike(bikes), "a");
  applyStatus(bikes, { device_id: "b", online: true, epoch: 1 });
  assert.equal(onlyBike(bikes), null);
});

test("a disconnect makes all bikes offline", () => {
  const bikes = createBikes();
  applyAnswer(bikes, { "ebike-001": { online: true, cursor: "1-4", latest: reading(4) } });
  applyDisconnect(bikes);
  assert.equal(bikes.get("ebike-001").online, false);
  assert.equal(bikes.get("ebike-001").reading.seq, 4);
});

test("online bikes outlive invented ids", () => {
  const bikes = createBikes();
  applyStatus(bikes, { device_id: "mine", online: true, epoch: 1 });
  for (let i = 0; i < 5_000; i += 1) {
    applyStatus(bikes, { device_id: `invented-${i}`, online: false, epoch: 1 });
  }
  assert.equal(bikes.size, 2_000);
  assert.equal(bikes.get("mine").online, true);
});

test("a full list takes no new bike", () => {
  const bikes = createBikes();
  for (let i = 0; i < 2_001; i += 1) applyStatus(bikes, { device_id: `b${i}`, online: true, epoch: 1 });
  assert.equal(bikes.size, 2_000);
  assert.equal(bikes.has("b2000"), false);
});
