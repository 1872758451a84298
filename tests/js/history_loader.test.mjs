import assert from "node:assert/strict";
import { test } from "node:test";

import { createBikeState } from "../../gateway/static/dashboard/bike_state.js";
import { createHistoryLoader } from "../../gateway/static/dashboard/history_loader.js";
import { missingReason } from "../../gateway/static/dashboard/history_state.js";
import {
  addGap,
  addReading,
  firstTime,
  rowsBetween,
} from "../../gateway/static/dashboard/track.js";

const WINDOW = [700, 1_000];

function reading(t) {
  return { device_id: "b", epoch: 1, seq: t, ts_ms: t * 1_000, speed_kmh: 9 };
}

function range(from, to) {
  return Array.from({ length: to - from }, (_, place) => reading(from + place));
}

/** A gateway whose journal answers after `failures` requests, without real delays. */
function createGateway(t, { failures, held_from = 900 }) {
  const asked = [];
  const waits_ms = [];
  t.mock.method(globalThis, "setTimeout", (go, wait_ms, ...given) => {
    waits_ms.push(wait_ms);
    queueMicrotask(() => go(...given));
  });
  t.mock.method(globalThis, "fetch", async (url) => {
    const query = new URL(url, "http://gateway").searchParams;
    const isPoints = query.has("max_points");
    if (isPoints) asked.push(url);
    const incomplete = asked.length <= failures;
    const readings = incomplete ? range(held_from, 1_000) : range(600, 1_000);
    const [from, to] = ["from_ms", "to_ms"].map((key) => Number(query.get(key) ?? 1e9) / 1000);
    const found = readings.filter((one) => one.seq >= from && one.seq <= to);
    const body = { readings: isPoints ? found : found.slice(0, 1), gaps: [] };
    return { ok: true, status: 200, json: async () => (incomplete ? { ...body, incomplete } : body) };
  });
  return { asked, waits_ms };
}

function rowCount(track) {
  return rowsBetween(track, 0, 1e12, Infinity).length;
}

function openShown() {
  const shown = createBikeState();
  addReading(shown.track, reading(1_000), 1_000);
  return shown;
}

/** Load the history of the charts; resolves when loading has ended. */
async function fill(shown) {
  createHistoryLoader(() => true, () => {}).load("b", shown, WINDOW);
  for (let turns = 0; turns < 1_000 && shown.history.isLoading; turns += 1) await Promise.resolve();
}

test("an incomplete answer is requested again", async (t) => {
  const gateway = createGateway(t, { failures: 3 });
  const shown = openShown();
  await fill(shown);
  assert.equal(gateway.asked.length, 4);
  assert.deepEqual(gateway.waits_ms, [1_000, 2_000, 4_000]);
  assert.equal(firstTime(shown.track), 600);
  assert.equal(rowCount(shown.track), 401, "each reading once, no break");
  assert.equal(missingReason(shown.history, 600, WINDOW), null);
});

test("an incomplete answer is shown meanwhile", async (t) => {
  createGateway(t, { failures: 1 });
  const shown = openShown();
  const firsts = [];
  const note = () => firsts.push([firstTime(shown.track), missingReason(shown.history, 900, WINDOW)]);
  createHistoryLoader(() => true, note).load("b", shown, WINDOW);
  for (let turns = 0; turns < 1_000 && shown.history.isLoading; turns += 1) await Promise.resolve();
  assert.deepEqual(firsts[0], [900, "loading"]);
});

test("a silent journal is given up", async (t) => {
  const gateway = createGateway(t, { failures: Infinity });
  const shown = openShown();
  await fill(shown);
  assert.equal(gateway.asked.length, 6);
  assert.equal(firstTime(shown.track), 900);
  assert.equal(missingReason(shown.history, 900, WINDOW), "unanswered");
});

test("an answer without the key is whole", async (t) => {
  const gateway = createGateway(t, { failures: 0 });
  await fill(openShown());
  assert.equal(gateway.asked.length, 1);
});

test("a hole is requested again", async (t) => {
  const gateway = createGateway(t, { failures: 2, held_from: 999 });
  const shown = createBikeState();
  addReading(shown.track, reading(900), 900);
  addGap(shown.track);
  addReading(shown.track, reading(920), 920);
  shown.hole = { from: 900, to: 920 };
  createHistoryLoader(() => true, () => {}).loadHole("b", shown);
  for (let turns = 0; turns < 1_000 && gateway.asked.length < 3; turns += 1) await Promise.resolve();
  for (let turns = 0; turns < 20; turns += 1) await Promise.resolve();
  assert.equal(rowCount(shown.track), 21);
});
