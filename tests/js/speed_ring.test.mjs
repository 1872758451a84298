import assert from "node:assert/strict";
import { test } from "node:test";

import { createClock, observe } from "../../gateway/static/dashboard/clock_offset.js";
import { applyFleetReading, createFleet } from "../../gateway/static/dashboard/fleet_state.js";
import { createSpeedHistory } from "../../gateway/static/dashboard/speed_history.js";
import {
  addSpeed,
  createSpeedRing,
  fillSpeeds,
  SPEED_POINTS,
  speedLines,
} from "../../gateway/static/dashboard/speed_ring.js";

const T0 = 1_796_000_000; // s
const YEAR_MS = 365 * 86_400_000;

function past(from_s, to_s, { every_s = 1, epoch = 1 } = {}) {
  const count = Math.floor((to_s - from_s) / every_s) + 1;
  return Array.from({ length: count }, (_, i) => {
    const ts_ms = (T0 + from_s + i * every_s) * 1000;
    return { device_id: "b", epoch, seq: from_s + i + 1_000, ts_ms, speed_kmh: 20 };
  });
}

function sparkOf(readings, now_s) {
  const spark = createSpeedRing();
  fillSpeeds(spark, readings, 0, (T0 + now_s) * 1000);
  return spark;
}

function lengthsOf(spark, now_s, interval_ms) {
  return speedLines(spark, (T0 + now_s) * 1000, interval_ms).map((line) => line.length);
}

test("history after a reconnect", () => {
  const spark = createSpeedRing();
  for (let s = 0; s <= 60; s += 1) addSpeed(spark, 20, (T0 + s) * 1000, { epoch: 1 });
  fillSpeeds(spark, past(-4, 85), 0, (T0 + 86) * 1000);
  addSpeed(spark, 20, (T0 + 86) * 1000, { epoch: 1 });
  assert.deepEqual(lengthsOf(spark, 86, 1_000), [SPEED_POINTS]);
});

test("history after now is ignored", () => {
  const spark = sparkOf(past(0, 60), 30);
  addSpeed(spark, 20, (T0 + 31) * 1000, { epoch: 1 });
  assert.deepEqual(lengthsOf(spark, 31, 1_000), [32]);
});

test("each pace is one line", () => {
  for (const every_s of [1, 2, 4, 10, 20]) {
    for (const told_ms of [undefined, 0, every_s * 1000]) {
      const lines = lengthsOf(sparkOf(past(0, 80, { every_s }), 85), 85, told_ms);
      assert.equal(lines.length, 1, `${every_s} ${told_ms}`);
    }
  }
  assert.equal(lengthsOf(sparkOf([...past(0, 40), ...past(45, 80)], 85), 85, 1_000).length, 2);
});

test("two rides are two lines", () => {
  const rides = [...past(0, 40), ...past(41, 80, { epoch: 2 })];
  assert.deepEqual(lengthsOf(sparkOf(rides, 80), 80, 1_000), [41, 40]);
});

test("delayed readings keep their time", () => {
  const fleet = createFleet();
  for (const one of past(0, 20)) applyFleetReading(fleet, one, one.ts_ms + 20);
  for (const one of past(21, 60)) applyFleetReading(fleet, one, (T0 + 60) * 1000 + 20);
  const [length, ...others] = lengthsOf(fleet.speeds.get("b"), 60, 1_000);
  assert.deepEqual(others, []);
  assert.ok(length >= 59, `${length}: only the last two seconds are one`);
});

/** Load the speeds of one visible bike; the requested URLs and the fleet. */
async function askedFor(t, { bike, clock, offset_ms = 0, answers = [] }) {
  const urls = [];
  t.mock.timers.enable({ apis: ["Date", "setTimeout"], now: (T0 + 85) * 1000 });
  t.mock.method(globalThis, "fetch", async (url) => {
    urls.push(url);
    const readings = past(0, 84).map((one) => ({ ...one, ts_ms: one.ts_ms - offset_ms }));
    return { ok: true, json: async () => ({ readings, gaps: [], ...answers[urls.length - 1] }) };
  });
  const fleet = { ...createFleet(), reconnects: 0 };
  fleet.bikes.set("b", { id: "b", ...bike });
  if (clock) fleet.clocks.set("b", clock);
  const fill = createSpeedHistory(fleet, () => {});
  async function look() {
    fill(["b"]);
    for (let turns = 0; turns < 20; turns += 1) await Promise.resolve();
    t.mock.timers.tick(100);
  }
  await look();
  return { urls, fleet, look };
}

test("only drawn points are requested", async (t) => {
  const [reading] = past(84, 84);
  const clock = createClock();
  observe(clock, reading, reading.ts_ms + 10);
  const { urls } = await askedFor(t, { bike: { online: true, reading }, clock });
  assert.equal(new URL(urls[0], "http://b").searchParams.get("max_points"), `${SPEED_POINTS}`);
});

for (const offset_ms of [YEAR_MS * 3, -YEAR_MS, 30_000, -30_000]) {
  test(`sparkline of a clock ${offset_ms} ms off`, async (t) => {
    const [first, second, third] = past(82, 84);
    const wrong = [first, second, third].map((r) => ({ ...r, ts_ms: r.ts_ms - offset_ms }));
    const bike = { online: true, reading: wrong[0] };
    const { urls, fleet, look } = await askedFor(t, { bike, offset_ms });
    assert.deepEqual(urls, [], "nothing is known of its clock yet");
    wrong.forEach((one, i) => applyFleetReading(fleet, one, [first, second, third][i].ts_ms + 10));
    await look();
    const { searchParams } = new URL(urls[0], "http://b");
    const asked_s = Number(searchParams.get("to_ms")) / 1000;
    assert.ok(Math.abs(asked_s - (T0 + 85 - offset_ms / 1000)) < 2, `${asked_s}`);
    assert.deepEqual(lengthsOf(fleet.speeds.get("b"), 84, 1_000), [85]);
  });
}

test("an offline bike with a wrong clock", async (t) => {
  const offset_ms = -YEAR_MS;
  const reading = { ...past(84, 84)[0], ts_ms: (T0 + 84) * 1000 - offset_ms };
  const { fleet } = await askedFor(t, { bike: { online: false, reading }, offset_ms });
  assert.deepEqual(lengthsOf(fleet.speeds.get("b"), 85, 1_000), [85]);
});

test("a returning bike is loaded again", async (t) => {
  const [reading] = past(84, 84);
  const clock = createClock();
  observe(clock, reading, reading.ts_ms + 10);
  const { urls, fleet, look } = await askedFor(t, { bike: { online: false, reading }, clock });
  await look();
  assert.equal(urls.length, 1);
  fleet.bikes.set("b", { id: "b", online: true, reading });
  await look();
  assert.equal(urls.length, 2);
});

test("an incomplete answer is asked for again", async (t) => {
  const [reading] = past(84, 84);
  const bike = { online: false, reading };
  const { urls, look } = await askedFor(t, { bike, answers: [{ incomplete: true }] });
  await look();
  assert.equal(urls.length, 1, "not at once");
  t.mock.timers.tick(1_000);
  await look();
  assert.equal(urls.length, 2);
  t.mock.timers.tick(60_000);
  await look();
  assert.equal(urls.length, 2);
});
