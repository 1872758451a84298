/**
 * What is kept of the bike shown: rows in order of time, the older the sparser. Pure; bounded.
 *
 * A row is `{t, reading}`, t in seconds of the reader's clock. A row without a reading is a
 * break: nothing is known between the rows beside it.
 */

import { breakBetween, createLine, extendLine, isOtherRide, isSetBack } from "./line.js";

/** Newest first. A level that is full hands its older half down, thinned to two rows a bucket. */
const LEVELS = [
  { bucket_s: 0, rows_max: 6_000 }, // every reading: ten minutes at 10 Hz
  { bucket_s: 0.5, rows_max: 8_000 }, // half an hour, about a point a pixel
  { bucket_s: 5, rows_max: 8_000 }, // some five hours
  { bucket_s: 60, rows_max: 8_000 }, // some days; then it is forgotten
];

/** An empty track. */
export function createTrack() {
  return { levels: LEVELS.map(() => []), isBroken: false, line: createLine() };
}

/** Append a reading measured at `t` seconds. */
export function addReading(track, reading, t) {
  const last = lastTime(track);
  if (last !== null && isSetBack(last, t)) clear(track);
  const row = { t: Math.max(t, lastTime(track) ?? t), reading };
  const { levels, line, isBroken } = track;
  extendLine(line, levels[0], row, isBroken);
  track.isBroken = false;
  if (levels[0].length > LEVELS[0].rows_max) settle(track);
}

/** Break the line before the next reading. */
export function addGap(track) {
  track.isBroken = lastTime(track) !== null;
}

/**
 * Put rows of the past, ascending, where they belong: before everything, or into one break.
 * Breaks that they fill go; what else is known stays. Two rides are not joined.
 */
export function insertPast(track, rows) {
  if (rows.length === 0) return;
  const oldest = track.levels.findLast((rows) => rows.length > 0) ?? track.levels[0];
  const level = track.levels.find((own) => own.length > 0 && own[0].t <= rows[0].t) ?? oldest;
  const start = placeAfter(level, rows[0].t);
  const isFilled = level[start - 1]?.reading === null;
  const hasBreakAfter = level[start]?.reading === null && level[start].t <= rows.at(-1).t;
  const [from, to] = [start - Number(isFilled), start + Number(hasBreakAfter)];
  const before = seam(level[from - 1], rows[0]);
  const after = seam(rows.at(-1), level[to]);
  level.splice(from, to - from, ...before, ...rows, ...after);
  if (level.length > rowsMax(track, level)) settle(track);
}

/** The rows to draw between two times with one neighbour at each side, two a bucket at most. */
export function rowsBetween(track, from, to, buckets) {
  const near = track.levels.toReversed().flatMap((level) => {
    const start = Math.max(placeBefore(level, from) - 1, 0);
    return level.slice(start, placeAfter(level, to) + 1);
  });
  // each level gave a neighbour; only the nearest one at each side is one
  const rows = near.slice(Math.max(placeBefore(near, from) - 1, 0), placeAfter(near, to) + 1);
  return rows.length > 2 * buckets ? thinned(rows, (to - from) / buckets) : rows;
}

/** The time of the first row in seconds; null when there is none. */
export function firstTime(track) {
  return track.levels.findLast((level) => level.length > 0)?.[0].t ?? null;
}

/** The time of the last row in seconds; null when there is none. */
export function lastTime(track) {
  return track.levels.find((level) => level.length > 0)?.at(-1).t ?? null;
}

/** Move the rows of the last ride in time: the bike's clock is known better now. */
export function shiftTrack({ levels }, by_s) {
  const rows = levels.toReversed().flat();
  const epoch = rows.at(-1)?.reading?.epoch;
  const end = rows.findLastIndex(({ reading }) => reading && reading.epoch !== epoch);
  for (const row of rows.slice(end + 1)) row.t = Math.max(row.t + by_s, rows[end]?.t ?? -Infinity);
}

/** The interval that the bike names, in ms; undefined while it is not known. */
export function intervalTold({ line: { told_s } }) {
  return told_s === null ? undefined : told_s * 1000;
}

/** How many rows are kept. */
export function countRows(track) {
  return track.levels.reduce((sum, level) => sum + level.length, 0);
}

/** Keep the slowest and the fastest reading of each bucket, and every break. */
export function thinned(rows, bucket_s) {
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

/** The break between two rows that come to stand side by side, if there has to be one. */
function seam(one, other) {
  const isBroken = one?.reading && other?.reading && isOtherRide(one, other);
  return isBroken ? [breakBetween(one, other)] : [];
}

/** Hand down what is too much, level by level; the last one forgets. */
function settle({ levels }) {
  LEVELS.forEach(({ rows_max }, place) => {
    const level = levels[place];
    if (level.length <= rows_max) return;
    const older = level.splice(0, level.length - rows_max / 2);
    levels[place + 1]?.push(...thinned(older, LEVELS[place + 1].bucket_s));
  });
}

function rowsMax({ levels }, level) {
  return LEVELS[levels.indexOf(level)].rows_max;
}

function clear(track) {
  for (const level of track.levels) level.length = 0;
  Object.assign(track.line, { recent: [], doubts: [] });
}

/** The place of the first row at `t` or later. */
function placeBefore(rows, t) {
  return search(rows, (row) => row.t >= t);
}

/** The place of the first row later than `t`. */
function placeAfter(rows, t) {
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
