import assert from "node:assert/strict";
import { test } from "node:test";

import {
  applyReading,
  applyStatus,
  createBikeState,
} from "../../gateway/static/dashboard/bike_state.js";
import { readingAt, viewOf } from "../../gateway/static/dashboard/chart_view.js";
import { observe } from "../../gateway/static/dashboard/clock_offset.js";
import { rowsOf } from "../../gateway/static/dashboard/history_rows.js";
import { setStatedInterval } from "../../gateway/static/dashboard/line_breaks.js";
import {
  addReading,
  createTrack,
  insertHistory,
  rowsBetween,
} from "../../gateway/static/dashboard/track.js";

const T0 = 1e9;

/** Readings at these times in seconds, numbered from `seq`. */
function readingsAt(times, { epoch = 1, seq = 1 } = {}) {
  return times.map((t, place) => {
    return { epoch, seq: seq + place, ts_ms: (T0 + t) * 1000, speed_kmh: 10 };
  });
}

function every(interval_s, count, from = 0) {
  return Array.from({ length: count }, (_, i) => from + i * interval_s);
}

function trackOf(readings, interval_ms) {
  const track = createTrack();
  setStatedInterval(track.detector, interval_ms);
  for (const reading of readings) addReading(track, reading, reading.ts_ms / 1000);
  return track;
}

function breaksIn(rows) {
  return rows.filter(({ reading }) => reading === null).map(({ t }) => t - T0);
}

/** The breaks of a live line; after a reload they must be the same. */
function breaksOf(times, interval_ms) {
  const readings = readingsAt(times);
  const live = rowsBetween(trackOf(readings, interval_ms), T0 - 1, T0 + 1e6, 1e4);
  const past = rowsOf({ readings, gaps: [] }, 0, -Infinity, Infinity, interval_ms);
  assert.deepEqual(breaksIn(live), breaksIn(past), "live as after a reload");
  return breaksIn(live);
}

test("a steady bike is one line", () => {
  for (const interval_s of [0.02, 0.1, 1, 4, 10, 30, 60, 600]) {
    for (const told_ms of [undefined, 0, interval_s * 1000]) {
      assert.deepEqual(breaksOf(every(interval_s, 12), told_ms), [], `${interval_s} ${told_ms}`);
    }
  }
});

test("only a silence breaks the line", () => {
  const silent = (interval_s, pause_s, told_ms) => {
    const before = every(interval_s, 20);
    return breaksOf([...before, ...every(interval_s, 20, before.at(-1) + pause_s)], told_ms).length;
  };
  for (const told_ms of [undefined, 100]) assert.equal(silent(0.1, 4.9, told_ms), 1);
  assert.equal(silent(0.1, 1, 100), 0);
  assert.equal(silent(1, 4.9, 1_000), 1);
  assert.equal(silent(1, 2, 1_000), 0, "one reading late");
  assert.equal(silent(10, 20, 10_000), 0);
  assert.equal(silent(10, 30, 10_000), 1);
});

test("measured intervals outweigh a wrong one", () => {
  const pause = [...every(0.1, 20), ...every(0.1, 5, 6.8)];
  assert.equal(breaksOf(pause, 10_000).length, 1);
  assert.equal(breaksOf(every(10, 12), 100).length, 0);
});

test("a changed interval is one line", () => {
  const track = trackOf(readingsAt(every(0.1, 50)), 100);
  setStatedInterval(track.detector, 10_000);
  const slow = readingsAt(every(10, 6, 15), { seq: 51 });
  for (const reading of slow) addReading(track, reading, reading.ts_ms / 1000);
  assert.deepEqual(breaksIn(rowsBetween(track, T0, T0 + 100, 1e4)), []);
});

test("usual pauses of an irregular bike", () => {
  const times = [0, 0.4, 3.5, 4, 8.5, 9, 9.5, 13, 13.2, 17];
  assert.deepEqual(breaksOf(times, 0), []);
  assert.equal(breaksOf([...times, 60], 0).length, 1);
});

test("two rides are not joined", () => {
  const one = readingsAt(every(1, 5));
  const other = readingsAt(every(1, 5, 5), { epoch: 2 });
  const live = rowsBetween(trackOf([...one, ...other], 1_000), T0, T0 + 100, 1e4);
  const past = rowsOf({ readings: [...one, ...other], gaps: [] }, 0, -Infinity, Infinity);
  for (const rows of [live, past]) assert.deepEqual(breaksIn(rows), [4.5]);
});

test("a past ride is not joined", () => {
  const track = trackOf(readingsAt(every(1, 5, 5), { epoch: 2 }), 1_000);
  const readings = readingsAt(every(1, 5));
  insertHistory(track, rowsOf({ readings, gaps: [] }, 0, -Infinity, T0 + 5, 1_000));
  assert.deepEqual(breaksIn(rowsBetween(track, T0, T0 + 100, 1e4)), [4.5]);
});

test("another model is another ride", () => {
  const shown = createBikeState();
  const status = { online: true, model: "cargo", interval_ms: 1_000 };
  applyStatus(shown, undefined, status);
  for (const reading of readingsAt([0, 1])) addReading(shown.track, reading, reading.ts_ms / 1000);
  applyStatus(shown, status, { ...status, model: "race" });
  for (const reading of readingsAt([2, 3], { seq: 3 }))
    addReading(shown.track, reading, reading.ts_ms / 1000);
  assert.deepEqual(breaksIn(rowsBetween(shown.track, T0, T0 + 100, 1e4)), [1.5]);
});

test("silence in a thinned answer", () => {
  const all = readingsAt([...every(0.1, 9_000), ...every(0.1, 9_000, 960)]);
  const readings = all.filter((_, place) => place % 12 === 0 || place % 12 === 5);
  const rows = rowsOf({ readings, gaps: [] }, 0, -Infinity, Infinity, 100);
  assert.equal(breaksIn(rows).length, 1);
});

test("a clock set back in history", () => {
  const readings = [...readingsAt(every(1, 5, 1_000)), ...readingsAt(every(1, 5), { seq: 6 })];
  const rows = rowsOf({ readings, gaps: [] }, 0, -Infinity, Infinity, 1_000);
  assert.deepEqual(
    rows.map(({ t }) => t - T0),
    [0, 1, 2, 3, 4],
  );
});

test("a slow bike between two readings", () => {
  const view = (now) => viewOf(trackOf(readingsAt(every(10, 6)), 10_000), [T0, now], 1e4, now);
  assert.deepEqual(view(T0 + 70).holes, []);
  assert.equal(view(T0 + 76).holes.length, 1);
  assert.equal(readingAt(view(T0 + 70), T0 + 45).reading.seq, 5, "between two readings");
});

test("a known clock moves the rows", () => {
  for (const off_ms of [30_000, -30_000]) {
    const shown = createBikeState();
    const readings = readingsAt(every(1, 8)).map((one) => ({ ...one, ts_ms: one.ts_ms - off_ms }));
    insertHistory(shown.track, rowsOf({ readings: readings.slice(0, 4), gaps: [] }, 0, -Infinity, Infinity));
    shown.history = { ...shown.history, from: 0, isLoading: true };
    for (const one of readings.slice(4)) {
      observe(shown.clock, one, one.ts_ms + off_ms + 20); // the fleet observes the same clock
      applyReading(shown, one, one.ts_ms + off_ms + 20);
    }
    const rows = rowsBetween(shown.track, T0 - 100, T0 + 100, 1e4);
    assert.deepEqual(breaksIn(rows), []);
    assert.ok(rows.every(({ t }, place) => Math.abs(t - T0 - place) < 0.1), `${off_ms}`);
    assert.deepEqual([shown.history.from, shown.history.isLoading], [Infinity, false]);
  }
});

test("setting a clock moves no rows", () => {
  const shown = createBikeState();
  const readings = readingsAt(every(1, 10));
  readings.forEach((one, place) => {
    const set_ms = place < 5 ? 0 : 3_600_000;
    applyReading(shown, { ...one, ts_ms: one.ts_ms + set_ms }, one.ts_ms + 20);
  });
  const rows = rowsBetween(shown.track, T0 - 100, T0 + 100, 1e4);
  assert.ok(rows.every(({ t }, place) => Math.abs(t - T0 - place) < 0.1));
});

test("a restart moves no earlier ride", () => {
  for (const off_ms of [30_000, -30_000]) {
    const shown = createBikeState();
    const rides = [...readingsAt(every(1, 6)), ...readingsAt(every(1, 6, 6), { epoch: 2 })];
    for (const one of rides) {
      applyReading(shown, { ...one, ts_ms: one.ts_ms - off_ms }, one.ts_ms + 20);
    }
    const rows = rowsBetween(shown.track, T0 - 100, T0 + 100, 1e4);
    const times = rows.filter(({ reading }) => reading).map(({ t }) => Math.round(t - T0));
    assert.deepEqual(times, every(1, 12));
    assert.equal(breaksIn(rows).length, 1);
  }
});
