import assert from "node:assert/strict";
import { test } from "node:test";

import { countArrival, createHealth, sumUp } from "../../gateway/static/dashboard/health.js";
import { EMPTY_TALLY } from "../../gateway/static/dashboard/tally.js";
import { arrivalWord, measuredRateWord } from "../../gateway/static/dashboard/words.js";

/** Readings every `interval_ms` for a minute, then what is said `after_ms` later. */
function saidOf(interval_ms, after_ms = 0, named_ms = interval_ms) {
  const health = createHealth();
  let at_ms = 0;
  for (; at_ms + interval_ms <= 60_000; at_ms += interval_ms) countArrival(health, at_ms, 20);
  return said(health, at_ms - interval_ms + after_ms, named_ms);
}

function said(health, now_ms, interval_ms) {
  const told = sumUp(health, now_ms, interval_ms);
  return arrivalWord({ ...told, kind: "online", age_ms: 100, tally: EMPTY_TALLY, interval_ms });
}

test("each pace is told right, at whatever moment", () => {
  const paces = [
    [20, /, about 50 a second\./],
    [100, /, about 10 a second\./],
    [1_000, /, about 1 a second\./],
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

test("an irregular bike is said to be one", () => {
  assert.match(saidOf(1_000, 10, 0), /at once and at irregular intervals, about 1 a second\./);
});

test("a slow bike is silent only after more than its interval", () => {
  assert.match(saidOf(10_000, 20_000), /Readings arrive/);
  assert.match(saidOf(10_000, 26_000), /Nothing has arrived/);
  assert.match(saidOf(100, 6_000), /Nothing has arrived/);
});

test("one reading has no rate", () => {
  const health = createHealth();
  countArrival(health, 1_000, 20);
  assert.equal(said(health, 1_500, 10_000), "Readings arrive at once. None is missing.");
});

/** A bike of 10 Hz until 60 s, nothing for 25 s, then all that waited in a second. */
function reconnected() {
  const health = createHealth();
  for (let ms = 0; ms <= 60_000; ms += 100) countArrival(health, ms, 20);
  for (let i = 1; i <= 250; i += 1) countArrival(health, 85_000 + i * 4, 25_000 - i * 96);
  return health;
}

test("readings that waited are no line that is too slow", () => {
  const health = createHealth();
  for (let i = 1; i <= 100; i += 1) countArrival(health, 85_000 + i * 4, 25_000 - i * 96);
  assert.match(said(health, 85_400, 100), /^Catching up: readings from 15 s ago arrive now\. None/);
});

test("once it caught up, rate and latency are those of now", () => {
  const health = reconnected();
  for (let ms = 86_050; ms <= 88_000; ms += 100) countArrival(health, ms, 20);
  assert.match(said(health, 88_000, 100), /^Readings arrive at once, about 10 a second/);
});

test("a long catching up stays one until it ends", () => {
  const health = createHealth();
  for (let ms = 0; ms < 30_000; ms += 50) {
    countArrival(health, ms, 40_000 - ms);
    if (ms > 3_000) assert.match(said(health, ms, 100), /^Catching up/, `${ms}`);
  }
});

test("a line that stays behind is too slow", () => {
  const health = createHealth();
  for (let ms = 0; ms <= 60_000; ms += 1) {
    if (ms % 1_000 === 0) for (let i = 10; i > 0; i -= 1) countArrival(health, ms, 4_000 + i * 100);
  }
  assert.match(said(health, 60_100, 100), /4\.\d s late, so the line is too slow/);
});

test("a measured rate has a decimal where that says something", () => {
  const rates = [0, 0.1, 0.98, 9.84, 49.7];
  const words = ["–", "one every 10 s", "1.0 per second", "9.8 per second", "50 per second"];
  assert.deepEqual(rates.map(measuredRateWord), words);
});
