/** Turn the gateway's answer about the past into rows of a track. Pure. */

import {
  appendRow,
  breakBetween,
  createBreakDetector,
  isSetBack,
  setStatedInterval,
  silenceLimit,
} from "./line_breaks.js";

/**
 * Make rows from the readings strictly between the times `after` and `before`. The line breaks where
 * the gateway reports a gap, where another ride begins, and where the bike was silent; also at the
 * end, if known rows continue at `before` after a silence. `interval_ms` is the interval that the
 * bike states, if it states one.
 */
export function rowsOf({ readings, gaps }, offset_ms, after, before, interval_ms) {
  const thinned_s = spacingOf(readings);
  const detector = createBreakDetector(thinned_s);
  setStatedInterval(detector, interval_ms);
  const rows = [];
  for (const reading of readings) addPast(detector, rows, gaps, reading, offset_ms);
  const inside = rows.filter(({ t }) => t > after && t < before);
  const last = inside.at(-1);
  if (!last?.reading || before === Infinity) return inside;
  const isSilentAtEnd = before - last.t > silenceLimit(detector) + thinned_s;
  return isSilentAtEnd ? [...inside, breakBetween(last, { t: before })] : inside;
}

/** Append a reading. As in a live track, times never decrease, and a clock set back starts anew. */
function addPast(detector, rows, gaps, reading, offset_ms) {
  const t = (reading.ts_ms + offset_ms) / 1000;
  if (rows.length > 0 && isSetBack(rows.at(-1).t, t)) rows.length = 0;
  const last = rows.at(-1);
  const row = { t: Math.max(t, last?.t ?? t), reading };
  appendRow(detector, rows, row, last !== undefined && isGapBetween(gaps, last, row));
}

/**
 * The longest time, in seconds, between two readings of an answer for which thinning can be the
 * reason. The gateway keeps two readings of each run: twice the mean distance is the length of a run.
 */
function spacingOf(readings) {
  if (readings.length === 0) return 0;
  const span_ms = Math.max(readings.at(-1).ts_ms - readings[0].ts_ms, 0);
  return (2 * span_ms) / 1000 / readings.length;
}

/** The rows after the last break. Of an incomplete answer only these are certain. */
export function rowsAfterLastBreak(rows) {
  return rows.slice(rows.findLastIndex(({ reading }) => reading === null) + 1);
}

function isGapBetween(gaps, { reading: one }, { reading: other }) {
  return gaps.some(({ before }) => {
    const [epoch, seq] = before.split("-").map(Number);
    const isAfterOne = epoch > one.epoch || (epoch === one.epoch && seq > one.seq);
    return isAfterOne && (epoch < other.epoch || (epoch === other.epoch && seq <= other.seq));
  });
}
