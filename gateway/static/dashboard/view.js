/** What the charts show at one moment, read from a track. Pure. */

import { rowsBetween } from "./track.js";

/**
 * Read the rows between two times, at most two for each of `buckets`, with the holes between them.
 * @param notKept the time before which nothing is kept, null when that is not in sight
 * @returns {{from: number, to: number, rows: object[], holes: {from: number, to: number}[]}}
 */
export function viewOf(track, [from, to], buckets, notKept) {
  const rows = rowsBetween(track, from, to, buckets);
  const holes = rows.flatMap((row, place) =>
    row.reading === null ? [holeAround(rows, place)] : [],
  );
  if (notKept !== null && notKept > from) holes.unshift({ from, to: Math.min(notKept, to) });
  return { from, to, rows, holes };
}

/** The reading nearest to a time; null when the nearest moment is a break or far away. */
export function readingAt({ rows, from, to }, t) {
  let nearest = null;
  for (const row of rows) {
    if (nearest === null || Math.abs(row.t - t) < Math.abs(nearest.t - t)) nearest = row;
  }
  if (nearest === null || Math.abs(nearest.t - t) > (to - from) / 20) return null;
  return nearest.reading && nearest;
}

/** The row beside a time, one step to the past (-1) or on (1); null where there is none. */
export function stepFrom({ rows }, t, way) {
  const readings = rows.filter(({ reading }) => reading !== null);
  if (way > 0) return readings.find((row) => row.t > t) ?? null;
  return readings.findLast((row) => row.t < t) ?? null;
}

/** The readings in sight, for a file. */
export function readingsIn({ rows, from, to }) {
  return rows
    .filter(({ t, reading }) => reading && t >= from && t <= to)
    .map(({ reading }) => reading);
}

function holeAround(rows, place) {
  const { t } = rows[place];
  return { from: rows[place - 1]?.t ?? t, to: rows[place + 1]?.t ?? t };
}
