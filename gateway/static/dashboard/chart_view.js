/** The visible part of a track: rows and holes. Pure. */

import { silenceLimit } from "./line_breaks.js";
import { lastTime, rowsBetween } from "./track.js";

/** A pointer this close to the edge of a hole, as a part of the width, selects the reading there. */
const NEAR_PARTS = 200;

/**
 * Read the rows between two times, at most two for each of `buckets`. Holes are the times without
 * readings: breaks, the time before the first row, and the time after the last row of a silent bike.
 * @param now the newest moment of the charts
 * @returns {{from: number, to: number, rows: object[], holes: {from: number, to: number}[]}}
 */
export function viewOf(track, [from, to], buckets, now = to) {
  const rows = rowsBetween(track, from, to, buckets);
  const holes = rows.flatMap((row, place) =>
    row.reading === null ? [holeAround(rows, place)] : [],
  );
  const first = rows[0]?.t ?? to;
  if (first > from) holes.unshift({ from: -Infinity, to: Math.min(first, to) });
  const last = lastTime(track) ?? to;
  if (last < to && now - last > silenceLimit(track.detector)) holes.push({ from: last, to: Infinity });
  return { from, to, rows, holes };
}

/** The row nearest to a time; null in a hole and long after the last reading. */
export function readingAt({ rows, holes, from, to }, t) {
  const near_s = (to - from) / NEAR_PARTS; // about the width of the pointer
  if (holes.some((hole) => t > hole.from + near_s && t < hole.to - near_s)) return null;
  let nearest = null;
  for (const row of rows) {
    if (nearest === null || Math.abs(row.t - t) < Math.abs(nearest.t - t)) nearest = row;
  }
  const isBeyond = nearest !== null && t - nearest.t > (to - from) / 20 && nearest === rows.at(-1);
  return nearest?.reading && !isBeyond ? nearest : null;
}

/** The last visible row; null if the line ended before the right edge. */
export function readingAtEnd({ rows, from, to }) {
  const place = rows.findLastIndex(({ t }) => t <= to);
  const isBroken = rows[place + 1]?.reading === null;
  return !isBroken && rows[place]?.reading && rows[place].t >= from ? rows[place] : null;
}

/** The next row before (-1) or after (1) a time; null if there is none. */
export function stepFrom({ rows }, t, way) {
  const readings = rows.filter(({ reading }) => reading !== null);
  if (way > 0) return readings.find((row) => row.t > t) ?? null;
  return readings.findLast((row) => row.t < t) ?? null;
}

function holeAround(rows, place) {
  const { t } = rows[place];
  return { from: rows[place - 1]?.t ?? t, to: rows[place + 1]?.t ?? t };
}
