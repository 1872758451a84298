import assert from "node:assert/strict";
import { test } from "node:test";

import {
  countArrival,
  createArrivalStats,
  summarize,
} from "../../gateway/static/dashboard/arrival_stats.js";
import * as shownBike from "../../gateway/static/dashboard/bike_state.js";
import { createClock, observe, offsetOf } from "../../gateway/static/dashboard/clock_offset.js";

const HOUR_MS = 3_600_000;

function reading(seq, ts_ms, values = {}) {
  return { device_id: "b", epoch: 1, seq, ts_ms, speed_kmh: seq, ...values };
}

test("clocks that are nearly right agree", () => {
  const clock = createClock();
  observe(clock, reading(1, 10_000), 10_350);
  assert.equal(offsetOf(clock), 0);
  assert.equal(offsetOf(createClock()), 0);
});

test("the fastest reading gives the offset", () => {
  const clock = createClock();
  for (const [seq, late_ms] of [
    [1, 80],
    [2, 15],
    [3, 200],
  ]) {
    observe(clock, reading(seq, seq * 100), seq * 100 + HOUR_MS + late_ms);
  }
  assert.equal(offsetOf(clock), HOUR_MS + 15);
});

test("a delayed reading is no clock offset", () => {
  const clock = createClock();
  observe(clock, reading(1, 10_000), 15_000);
  assert.equal(offsetOf(clock), 0);
  for (const seq of [2, 3]) observe(clock, reading(seq, 10_000 + seq), 15_000 + seq);
  assert.equal(offsetOf(clock), 5_000);
});

test("past readings do not change the offset", () => {
  const clock = createClock();
  observe(clock, reading(1000, 1_000_000), 1_000_020);
  observe(clock, reading(1, 500_000), 1_000_030);
  assert.equal(offsetOf(clock), 0);
});

test("a new epoch resets the offset", () => {
  const clock = createClock();
  observe(clock, reading(1, 2 * HOUR_MS), 2 * HOUR_MS);
  observe(clock, reading(2, HOUR_MS), 2 * HOUR_MS + 100);
  assert.equal(offsetOf(clock), HOUR_MS + 100);
  observe(clock, { ...reading(1, 3 * HOUR_MS), epoch: 2 }, 3 * HOUR_MS);
  assert.equal(offsetOf(clock), 0);
});

test("a drifting clock is followed", () => {
  const clock = createClock();
  for (let s = 0; s <= 3_600; s += 1) observe(clock, reading(s, s * 1000), s * 1000 + s * 2);
  assert.ok(offsetOf(clock) > 4_000, `${offsetOf(clock)} ms`);
});

test("rate and latency of the last seconds", () => {
  const stats = createArrivalStats();
  for (let ms = 0; ms < 20_000; ms += 100) countArrival(stats, ms, ms < 10_000 ? 500 : 20);
  const { rate_hz, latency_ms, worst_ms } = summarize(stats, 19_950);
  assert.ok(Math.abs(rate_hz - 10) < 0.5, `${rate_hz} Hz`);
  assert.deepEqual([latency_ms, worst_ms], [20, 20]);
});

test("a silent bike has no rate", () => {
  const stats = createArrivalStats();
  countArrival(stats, 1_000, 20);
  const nothing = { rate_hz: 0, latency_ms: null, worst_ms: null, isCatchingUp: false };
  assert.deepEqual(summarize(stats, 60_000), nothing);
});

test("rate in the first seconds", () => {
  const stats = createArrivalStats();
  for (let ms = 50_000; ms <= 52_000; ms += 100) countArrival(stats, ms, 1);
  assert.equal(summarize(stats, 52_000).rate_hz, 10);
});

test("a wrong clock is corrected", () => {
  const shown = shownBike.createBikeState();
  shownBike.applyAnswer(shown, { online: true, latest: reading(1, 1_000) }, HOUR_MS + 1_000);
  shownBike.applyReading(shown, reading(2, 2_000), HOUR_MS + 2_040);
  assert.equal(shown.offset_ms, HOUR_MS);
  assert.equal(shownBike.newestMoment(shown, false, HOUR_MS), 3_602 + 10);
  assert.equal(summarize(shown.arrivals, HOUR_MS + 2_040).latency_ms, 40);
});

test("the next reading closes a hole", () => {
  const shown = shownBike.createBikeState();
  assert.equal(shownBike.applyReading(shown, reading(1, 1_000), 1_000), false);
  shownBike.applyGap(shown, { lost: 3 });
  assert.equal(shownBike.applyReading(shown, reading(5, 5_000), 5_000), true);
  assert.deepEqual(shown.hole, { from: 1, to: 5 });
  assert.deepEqual([shown.tally.gaps, shown.tally.lost], [1, 3]);
});

test("charts end after an offline bike", () => {
  const shown = shownBike.createBikeState();
  assert.equal(shownBike.newestMoment(shown, false, 500), 500);
  shownBike.applyAnswer(shown, { online: false, latest: reading(1, 100_000) }, 500_000);
  assert.equal(shownBike.newestMoment(shown, false, 500), 110);
  assert.equal(shownBike.newestMoment(shown, true, 500), 500);
});
