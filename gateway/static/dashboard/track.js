/**
 * The readings of the open bike, in the order of time. Pure; bounded.
 *
 * How it works. A track has four levels. The first holds every reading. A level that is full moves
 * its older half to the next one, thinned to the slowest and the fastest reading of each bucket of
 * time; the last level forgets. So the newest minutes are complete, and days still fit.
 *
 * A row is `{t, reading}`, t in seconds of the reader's clock. A row without a reading is a break:
 * nothing is known between the rows beside it. Times never decrease.
 */

import {
  appendRow,
  breakBetween,
  createBreakDetector,
  isOtherRide,
  isSetBack,
} from "./line_breaks.js";

/** The newest readings first. */
const LEVELS = [
  { bucket_s: 0, rows_max: 6_000 }, // every reading: ten minutes at 10 Hz
  { bucket_s: 0.5, rows_max: 8_000 }, // half an hour, about one point a pixel
  { bucket_s: 5, rows_max: 8_000 }, // about five hours
  { bucket_s: 60, rows_max: 8_000 }, // some days
];

export function createTrack() {
  return { levels: LEVELS.map(() => []), isBroken: false, detector: createBreakDetector() };
}

/** Append a reading measured at `t` seconds. */
export function addReading(track, reading, t) {
  const last = lastTime(track);
  if (last !== null && isSetBack(last, t)) clear(track);
  const row = { t: Math.max(t, lastTime(track) ?? t), reading };
  const { levels, detector, isBroken } = track;
  appendRow(detector, levels[0], row, isBroken);
  track.isBroken = false;
  if (levels[0].length > LEVELS[0].rows_max) compact(track);
}

/** Break the line before the next reading. */
export function addGap(track) {
  track.isBroken = lastTime(track) !== null;
}

/**
 * Insert rows of the past, in ascending order, before everything or into one break. They replace the
 * breaks that they fill. Rows of two rides are not joined.
 */
export function insertHistory(track, rows) {
  if (rows.length === 0) return;
  const oldest = track.levels.findLast((rows) => rows.length > 0) ?? track.levels[0];
  const level = track.levels.find((own) => own.length > 0 && own[0].t <= rows[0].t) ?? oldest;
  const start = indexAfter(level, rows[0].t);
  const hasBreakBefore = level[start - 1]?.reading === null;
  const hasBreakAfter = level[start]?.reading === null && level[start].t <= rows.at(-1).t;
  const [from, to] = [start - Number(hasBreakBefore), start + Number(hasBreakAfter)];
  const before = breakBetweenRides(level[from - 1], rows[0]);
  const after = breakBetweenRides(rows.at(-1), level[to]);
  level.splice(from, to - from, ...before, ...rows, ...after);
  if (level.length > rowsMax(track, level)) compact(track);
}

/**
 * The rows to draw between two times, with one neighbour at each side; at most two for each of the
 * `buckets`.
 */
export function rowsBetween(track, from, to, buckets) {
  const near = track.levels.toReversed().flatMap((level) => {
    const start = Math.max(indexFrom(level, from) - 1, 0);
    return level.slice(start, indexAfter(level, to) + 1);
  });
  // each level gave a neighbour; only the nearest one at each side counts
  const rows = near.slice(Math.max(indexFrom(near, from) - 1, 0), indexAfter(near, to) + 1);
  return rows.length > 2 * buckets ? downsample(rows, (to - from) / buckets) : rows;
}

/** The time of the first row in seconds; null if there is none. */
export function firstTime(track) {
  return track.levels.findLast((level) => level.length > 0)?.[0].t ?? null;
}

/** The time of the last row in seconds; null if there is none. */
export function lastTime(track) {
  return track.levels.find((level) => level.length > 0)?.at(-1).t ?? null;
}

/** Move the rows of the latest ride in time, after the bike's clock became known better. */
export function shiftTrack({ levels }, by_s) {
  const rows = levels.toReversed().flat();
  const epoch = rows.at(-1)?.reading?.epoch;
  const end = rows.findLastIndex(({ reading }) => reading && reading.epoch !== epoch);
  for (const row of rows.slice(end + 1)) row.t = Math.max(row.t + by_s, rows[end]?.t ?? -Infinity);
}

/** The interval that the bike states, in ms; undefined while unknown. */
export function statedInterval({ detector: { stated_s } }) {
  return stated_s === null ? undefined : stated_s * 1000;
}

/** Keep the slowest and the fastest reading of each bucket, and every break. */
export function downsample(rows, bucket_s) {
  const kept = [];
  let bucket = [];
  let number = null;
  const close = () => {
    if (bucket.length > 0) kept.push(...extremes(bucket));
    bucket = [];
  };
  for (const row of rows) {
    const own = Math.floor(row.t / bucket_s);
    if (row.reading === null || own !== number) close();
    number = own;
    if (row.reading === null) kept.push(row);
    else bucket.push(row);
  }
  close();
  return kept;
}

function extremes(rows) {
  let slowest = 0;
  let fastest = 0;
  rows.forEach(({ reading: { speed_kmh } }, place) => {
    if (speed_kmh < rows[slowest].reading.speed_kmh) slowest = place;
    if (speed_kmh >= rows[fastest].reading.speed_kmh) fastest = place;
  });
  if (slowest === fastest) return [rows[slowest]];
  return slowest < fastest ? [rows[slowest], rows[fastest]] : [rows[fastest], rows[slowest]];
}

function breakBetweenRides(one, other) {
  const isNeeded = one?.reading && other?.reading && isOtherRide(one, other);
  return isNeeded ? [breakBetween(one, other)] : [];
}

/** Move the older half of each full level to the next one. */
function compact({ levels }) {
  LEVELS.forEach(({ rows_max }, place) => {
    const level = levels[place];
    if (level.length <= rows_max) return;
    const older = level.splice(0, level.length - rows_max / 2);
    levels[place + 1]?.push(...downsample(older, LEVELS[place + 1].bucket_s));
  });
}

function rowsMax({ levels }, level) {
  return LEVELS[levels.indexOf(level)].rows_max;
}

function clear(track) {
  for (const level of track.levels) level.length = 0;
  Object.assign(track.detector, { recent: [], doubts: [] });
}

/** The index of the first row at `t` or later. */
function indexFrom(rows, t) {
  return search(rows, (row) => row.t >= t);
}

/** The index of the first row later than `t`. */
function indexAfter(rows, t) {
  return search(rows, (row) => row.t > t);
}

function search(rows, isBeyond) {
  let low = 0;
  let high = rows.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (isBeyond(rows[middle])) high = middle;
    else low = middle + 1;
  }
  return low;
}
