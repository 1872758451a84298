import assert from "node:assert/strict";
import { test } from "node:test";

import {
  countArrival,
  createArrivalStats,
  summarize,
} from "../../gateway/static/dashboard/arrival_stats.js";
import { arrivalText, measuredRateText } from "../../gateway/static/dashboard/arrival_texts.js";
import { applyReading, createBikeState } from "../../gateway/static/dashboard/bike_state.js";
import { EMPTY_TALLY } from "../../gateway/static/dashboard/tally.js";

/** Send a reading every `interval_ms` for a minute; the text `after_ms` later. */
function saidOf(interval_ms, after_ms = 0, named_ms = interval_ms) {
  const stats = createArrivalStats();
  let at_ms = 0;
  for (; at_ms + interval_ms <= 60_000; at_ms += interval_ms) countArrival(stats, at_ms, 20);
  return said(stats, at_ms - interval_ms + after_ms, named_ms);
}

function said(stats, now_ms, interval_ms) {
  const told = summarize(stats, now_ms, interval_ms);
  return arrivalText({ ...told, kind: "online", age_ms: 100, tally: EMPTY_TALLY, interval_ms });
}

test("each pace is shown correctly", () => {
  const paces = [
    [20, /, about 50 per second\./],
    [100, /, about 10 per second\./],
    [1_000, /, about 1 per second\./],
    [2_000, /, about one every 2 s\./],
    [10_000, /, about one every 10 s\./],
    [30_000, /, about one every 30 s\./],
  ];
  for (const [interval_ms, words] of paces) {
    for (const part of [0.01, 0.3, 0.6, 0.99]) {
      assert.match(saidOf(interval_ms, interval_ms * part), words, `${interval_ms}, ${part}`);
    }
  }
});

test("an irregular bike is called irregular", () => {
  assert.match(saidOf(1_000, 10, 0), /immediately and at irregular intervals, about 1 per second\./);
});

test("a slow bike is not silent", () => {
  assert.match(saidOf(10_000, 20_000), /Readings arrive/);
  assert.match(saidOf(10_000, 26_000), /Nothing has arrived/);
  assert.match(saidOf(100, 6_000), /Nothing has arrived/);
});

test("one reading has no rate", () => {
  const stats = createArrivalStats();
  countArrival(stats, 1_000, 20);
  assert.equal(said(stats, 1_500, 10_000), "Readings arrive immediately. None is missing.");
});

/** A bike at 10 Hz until 60 s, then 25 s without a connection, then all missed readings in one second. */
function reconnected() {
  const stats = createArrivalStats();
  for (let ms = 0; ms <= 60_000; ms += 100) countArrival(stats, ms, 20);
  for (let i = 1; i <= 250; i += 1) countArrival(stats, 85_000 + i * 4, 25_000 - i * 96);
  return stats;
}

test("missed readings are catching up", () => {
  const stats = createArrivalStats();
  for (let i = 1; i <= 100; i += 1) countArrival(stats, 85_000 + i * 4, 25_000 - i * 96);
  assert.match(said(stats, 85_400, 100), /^Catching up: readings from 15 s ago arrive now\. None/);
});

test("rate and latency after catching up", () => {
  const stats = reconnected();
  for (let ms = 86_050; ms <= 88_000; ms += 100) countArrival(stats, ms, 20);
  assert.match(said(stats, 88_000, 100), /^Readings arrive immediately, about 10 per second/);
});

test("a long catching up does not end early", () => {
  const stats = createArrivalStats();
  for (let ms = 0; ms < 30_000; ms += 50) {
    countArrival(stats, ms, 40_000 - ms);
    if (ms > 3_000) assert.match(said(stats, ms, 100), /^Catching up/, `${ms}`);
  }
});

test("a constant delay is a slow connection", () => {
  const stats = createArrivalStats();
  for (let ms = 0; ms <= 60_000; ms += 1) {
    if (ms % 1_000 === 0) for (let i = 10; i > 0; i -= 1) countArrival(stats, ms, 4_000 + i * 100);
  }
  assert.match(said(stats, 60_100, 100), /4\.\d s late, so the connection is too slow/);
});

test("decimals of a measured rate", () => {
  const rates = [0, 0.1, 0.98, 9.84, 49.7];
  const words = ["–", "one every 10 s", "1.0 per second", "9.8 per second", "50 per second"];
  assert.deepEqual(rates.map(measuredRateText), words);
});

test("rate during a burst of missed readings", () => {
  const stats = createArrivalStats();
  for (let ms = 1_900; ms >= 0; ms -= 100) countArrival(stats, 60_000, ms);
  assert.match(said(stats, 60_000, 100), /about 10 per second/);
  for (let ms = 60_100; ms <= 62_000; ms += 100) {
    countArrival(stats, ms, 20);
    assert.match(said(stats, ms, 100), /about (9|10|11) per second/, `${ms}`);
  }
});

test("rate in a throttled tab", () => {
  for (const wait_ms of [1_000, 5_000, 60_000]) {
    const stats = createArrivalStats();
    for (let measured_ms = 0; measured_ms < 120_000; measured_ms += 100) {
      const arrival_ms = Math.ceil((measured_ms + 1) / wait_ms) * wait_ms;
      countArrival(stats, arrival_ms, arrival_ms - measured_ms);
      const { rate_hz, isCatchingUp } = summarize(stats, arrival_ms, 100);
      assert.ok(isCatchingUp || rate_hz < 12, `${wait_ms}: ${rate_hz} Hz`);
    }
  }
});

test("rate with a slow page clock", () => {
  for (const step_ms of [0, 1, 10]) {
    const shown = createBikeState();
    for (let seq = 1; seq <= 300; seq += 1) {
      const reading = { epoch: 1, seq, ts_ms: 60_000 + seq * 100, speed_kmh: 20 };
      applyReading(shown, reading, 60_000 + seq * step_ms);
      const { rate_hz, isCatchingUp } = summarize(shown.arrivals, 60_000 + seq * step_ms, 100);
      assert.ok(isCatchingUp || rate_hz < 12, `${step_ms} ms, ${seq}: ${rate_hz} Hz`);
    }
  }
});

test("rate during a burst of a slow bike", () => {
  const stats = createArrivalStats();
  for (const late_ms of [2_000, 1_000, 0]) countArrival(stats, 60_000, late_ms);
  assert.match(said(stats, 60_001, 1_000), /about 1 per second/);
});
