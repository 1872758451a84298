import assert from "node:assert/strict";
import { test } from "node:test";

import {
  addGap,
  addReading,
  createSeries,
  speedAxisMax,
  visibleRange,
  WINDOW_S,
} from "../../gateway/static/dashboard/series.js";

function seriesOf(...points) {
  const series = createSeries();
  for (const [time_s, speed_kmh] of points) addReading(series, { ts_ms: time_s * 1000, speed_kmh });
  return series;
}

test("readings become points in seconds", () => {
  const { times, speeds } = seriesOf([100, 20], [100.5, 21]);
  assert.deepEqual({ times, speeds }, { times: [100, 100.5], speeds: [20, 21] });
});

test("a gap breaks the line between the readings beside it", () => {
  const series = seriesOf([100, 20]);
  addGap(series);
  addReading(series, { ts_ms: 102_000, speed_kmh: 22 });
  assert.deepEqual(series.times, [100, 101, 102]);
  assert.deepEqual(series.speeds, [20, null, 22]);
});

test("several gaps in a row break the line once", () => {
  const series = seriesOf([100, 20]);
  addGap(series);
  addGap(series);
  addReading(series, { ts_ms: 102_000, speed_kmh: 22 });
  addReading(series, { ts_ms: 103_000, speed_kmh: 23 });
  assert.deepEqual(series.speeds, [20, null, 22, 23]);
});

test("a gap before the first reading draws nothing", () => {
  const series = createSeries();
  addGap(series);
  addReading(series, { ts_ms: 1_000, speed_kmh: 5 });
  assert.deepEqual(series.speeds, [5]);
});

test("a long silence breaks the line, a slow bike does not", () => {
  assert.deepEqual(seriesOf([100, 20], [160, 22]).speeds, [20, null, 22]);
  assert.deepEqual(seriesOf([100, 20], [104, 22]).speeds, [20, 22]);
});

test("times never fall, as a chart needs it", () => {
  assert.deepEqual(seriesOf([100, 20], [99.5, 21], [101, 22]).times, [100, 100, 101]);
});

test("a clock that was set back starts a new axis", () => {
  const { times, speeds } = seriesOf([1000, 20], [10, 21]);
  assert.deepEqual({ times, speeds }, { times: [10], speeds: [21] });
});

test("what left the window is dropped, what is in it stays", () => {
  const series = createSeries();
  for (let i = 0; i < 10_000; i += 1) addReading(series, { ts_ms: i * 100, speed_kmh: 20 });
  assert.ok(series.times.length <= 3_001 + 500, `${series.times.length} points`);
  assert.ok(series.times[0] <= 999.9 - WINDOW_S);
  assert.equal(series.times.length, series.speeds.length);
});

test("memory is bounded however fast a bike sends", () => {
  const series = createSeries();
  for (let i = 0; i < 100_000; i += 1) addReading(series, { ts_ms: i, speed_kmh: 20 });
  assert.ok(series.times.length <= 30_000, `${series.times.length} points`);
});

test("the range ends now and is never longer than the window", () => {
  assert.deepEqual(visibleRange(seriesOf([1000, 20], [1900, 21]), 3), [1903 - WINDOW_S, 1903]);
});

test("the range of a bike that just started is short", () => {
  assert.deepEqual(visibleRange(seriesOf([1000, 20]), 0), [980, 1000]);
  assert.deepEqual(visibleRange(createSeries(), 0), [-20, 0]);
});

test("the speed axis ends at a whole ten above the fastest point", () => {
  assert.deepEqual([0, 24.9, 29.5, 30, 45, 199].map(speedAxisMax), [30, 30, 40, 40, 50, 200]);
});
