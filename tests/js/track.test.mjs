import assert from "node:assert/strict";
import { test } from "node:test";

import {
  addGap,
  addReading,
  createTrack,
  downsample,
  firstTime,
  insertHistory,
  lastTime,
  rowsBetween,
} from "../../gateway/static/dashboard/track.js";

const ALL = [0, 1e12, Infinity];

function trackOf(...points) {
  const track = createTrack();
  for (const [t, speed_kmh] of points) addReading(track, { speed_kmh }, t);
  return track;
}

/** All rows as `[t, speed]`; the speed of a break is null. */
function told(rows) {
  return rows.map(({ t, reading }) => [t, reading && reading.speed_kmh]);
}

function rowsOf(track) {
  return told(rowsBetween(track, ...ALL));
}

function row(t, speed_kmh = 1) {
  return { t, reading: { speed_kmh } };
}

test("readings become rows", () => {
  const track = trackOf([100, 20], [100.5, 21]);
  assert.deepEqual(rowsOf(track), [
    [100, 20],
    [100.5, 21],
  ]);
  assert.deepEqual([firstTime(track), lastTime(track)], [100, 100.5]);
});

test("times of an empty track", () => {
  assert.deepEqual([firstTime(createTrack()), lastTime(createTrack())], [null, null]);
});

test("a gap breaks the line once", () => {
  const track = trackOf([100, 20]);
  addGap(track);
  addGap(track);
  addReading(track, { speed_kmh: 22 }, 102);
  addReading(track, { speed_kmh: 23 }, 103);
  assert.deepEqual(rowsOf(track), [
    [100, 20],
    [101, null],
    [102, 22],
    [103, 23],
  ]);
});

test("a gap before the first reading", () => {
  const track = createTrack();
  addGap(track);
  addReading(track, { speed_kmh: 5 }, 1);
  assert.deepEqual(rowsOf(track), [[1, 5]]);
});

test("a long silence breaks the line", () => {
  assert.deepEqual(rowsOf(trackOf([100, 20], [160, 22])), [
    [100, 20],
    [130, null],
    [160, 22],
  ]);
  assert.deepEqual(rowsOf(trackOf([100, 20], [104, 22])), [
    [100, 20],
    [104, 22],
  ]);
});

test("times never decrease", () => {
  const times = rowsOf(trackOf([100, 20], [99.5, 21], [101, 22])).map(([t]) => t);
  assert.deepEqual(times, [100, 100, 101]);
});

test("a clock set back starts anew", () => {
  assert.deepEqual(rowsOf(trackOf([1000, 20], [10, 21])), [[10, 21]]);
});

test("a fast bike's rows are bounded", () => {
  const track = createTrack();
  for (let i = 0; i < 300_000; i += 1) addReading(track, { speed_kmh: i % 40 }, i / 1000);
  assert.ok(rowsOf(track).length <= 30_000, `${rowsOf(track).length} rows`);
  assert.equal(rowsBetween(track, 299, 299.999, Infinity).length, 1_001);
  assert.ok(firstTime(track) < 1, "the beginning is still there");
});

test("the oldest rows are forgotten", () => {
  const track = createTrack();
  for (let i = 0; i < 300_000; i += 1) addReading(track, { speed_kmh: 1 }, i * 4.9);
  assert.ok(rowsOf(track).length <= 30_000);
  assert.ok(firstTime(track) > 100_000);
  assert.equal(lastTime(track), 299_999 * 4.9);
});

test("older rows are extremes", () => {
  const rows = [row(0, 5), row(0.1, 9), row(0.2, 7), row(0.3, 2), row(0.6, 4)];
  assert.deepEqual(
    told(downsample(rows, 0.5)),
    [
      [0, 9],
      [0.1, 9],
      [0.3, 2],
      [0.6, 4],
    ].slice(1),
  );
});

test("thinning keeps every break where it is", () => {
  const rows = [row(0, 5), { t: 0.1, reading: null }, row(0.2, 7), row(0.3, 6), row(0.4, 8)];
  assert.deepEqual(told(downsample(rows, 1)), [
    [0, 5],
    [0.1, null],
    [0.3, 6],
    [0.4, 8],
  ]);
});

test("at most two rows a bucket", () => {
  const track = trackOf(...Array.from({ length: 1_000 }, (_, i) => [i / 10, i % 7]));
  assert.ok(rowsBetween(track, 0, 100, 50).length <= 102);
  assert.deepEqual(
    rowsBetween(track, 50, 50.1, 10).map(({ t }) => t),
    [49.9, 50, 50.1, 50.2],
  );
});

test("the past goes in front of everything", () => {
  const track = trackOf([100, 20]);
  insertHistory(track, [row(90), row(91)]);
  insertHistory(track, [row(80)]);
  insertHistory(track, []);
  assert.deepEqual(
    rowsOf(track).map(([t]) => t),
    [80, 90, 91, 100],
  );
});

test("history in an empty track", () => {
  const track = createTrack();
  insertHistory(track, [row(90), row(91)]);
  assert.deepEqual(
    rowsOf(track).map(([t]) => t),
    [90, 91],
  );
});

test("history fills a gap", () => {
  const track = trackOf([100, 20], [200, 22]);
  insertHistory(track, [row(140), row(150), row(160)]);
  assert.deepEqual(
    rowsOf(track).map(([t]) => t),
    [100, 140, 150, 160, 200],
  );
});

test("history fills part of a gap", () => {
  const track = trackOf([100, 20], [200, 22]);
  insertHistory(track, [row(110), row(190)]);
  assert.deepEqual(
    rowsOf(track).map(([t]) => t),
    [100, 110, 190, 200],
  );
});

test("long history keeps newer rows", () => {
  const track = trackOf([100_000, 20]);
  insertHistory(
    track,
    Array.from({ length: 10_000 }, (_, i) => row(i)),
  );
  assert.ok(rowsOf(track).length <= 30_000);
  assert.deepEqual([firstTime(track), lastTime(track)], [0, 100_000]);
});
