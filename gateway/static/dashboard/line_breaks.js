/**
 * Find the breaks in the line of a bike: at gaps, between two rides, and where the bike was silent.
 * Pure; bounded.
 *
 * How it works. A bike was silent if it sent nothing for longer than its interval explains. The time
 * between two readings shows the bike's interval; the median of the last few counts, so that one
 * silence does not change it. In a thinned answer, neighbours did not follow each other in the ride:
 * their sequence numbers say how many intervals lie between them. A break after a silence is judged
 * again when the next readings arrive, because only they can show that the bike is slow and was not
 * silent.
 */

import { MISSED_INTERVALS } from "./silence.js";

const RECENT_MAX = 5; // a median of five adapts to a new interval after three readings
const ENOUGH = 2; // with fewer measured intervals, the interval that the bike states counts
const SILENCE_MIN_S = 2; // a shorter silence, such as of a busy sensor, hides nothing of a ride
const SILENCE_S = 5; // for a bike that is irregular, or whose interval is not known
const TOLERANCE = 1.2; // a bike may be this much slower than its median
const CLOCK_BACK_S = 5; // a clock that is set back further starts another time axis

/**
 * `stated_s` is the interval that the bike states: 0 if irregular, null while unknown. `recent` are
 * the last measured intervals, `doubts` the breaks that later readings may remove. `thinned_s` is the
 * longest time between two rows for which thinning can be the reason.
 */
export function createBreakDetector(thinned_s = Infinity) {
  return { stated_s: null, recent: [], doubts: [], thinned_s };
}

/** Set the interval that the bike states. A new one discards the measured intervals. */
export function setStatedInterval(detector, interval_ms) {
  const stated_s = interval_ms === undefined ? null : interval_ms / 1000;
  if (stated_s !== detector.stated_s) Object.assign(detector, { stated_s, recent: [] });
}

/** How long, in seconds, the bike may send nothing before the line breaks. */
export function silenceLimit(detector) {
  const interval_s = intervalOf(detector);
  const least_s = interval_s === null || detector.stated_s === 0 ? SILENCE_S : SILENCE_MIN_S;
  return Math.max(MISSED_INTERVALS * (interval_s ?? 0), least_s);
}

/** Append a row, with a break before it where the line must not continue. */
export function appendRow(detector, rows, row, isBroken = false) {
  const last = rows.at(-1);
  if (last?.reading && (isBroken || isOtherRide(last, row))) rows.push(breakBetween(last, row));
  else if (last?.reading) {
    learnInterval(detector, last, row);
    removeFalseBreaks(detector, rows);
    if (wasSilent(detector, last, row)) addDoubtfulBreak(detector, rows, last, row);
  }
  rows.push(row);
}

/** Whether the second row belongs to another ride: its numbering started anew. */
export function isOtherRide({ reading: one }, { reading: other }) {
  return one.epoch !== other.epoch;
}

/** Whether the bike was silent between two consecutive rows of one ride. */
function wasSilent(detector, one, other) {
  const skipped_s = (stepsBetween(one, other) - 1) * (intervalOf(detector) ?? 0) * TOLERANCE;
  const silence_s = other.t - one.t - Math.min(skipped_s, detector.thinned_s);
  return silence_s > silenceLimit(detector);
}

/** Whether a reading measured at `t` shows that the clock was set back since the last row. */
export function isSetBack(last_s, t) {
  return t < last_s - CLOCK_BACK_S;
}

/** Make the row that breaks the line between two others. */
export function breakBetween(one, other) {
  return { t: (one.t + other.t) / 2, reading: null };
}

/** The interval in seconds; for an irregular bike the second longest of the last ones. */
function intervalOf({ stated_s, recent }) {
  if (recent.length < ENOUGH) return stated_s || null;
  const sorted = recent.toSorted((a, b) => a - b);
  return stated_s === 0 ? sorted.at(-2) : sorted[(sorted.length - 1) >> 1];
}

function learnInterval(detector, one, other) {
  const interval_s = (other.t - one.t) / stepsBetween(one, other);
  if (interval_s > 0) detector.recent = [...detector.recent, interval_s].slice(-RECENT_MAX);
}

function addDoubtfulBreak(detector, rows, one, other) {
  const row = breakBetween(one, other);
  rows.push(row);
  detector.doubts.push({ row, one, other, age: 0 });
}

/** Remove the breaks that the interval explains now that it is known better. */
function removeFalseBreaks(detector, rows) {
  detector.doubts = detector.doubts.filter((doubt) => {
    doubt.age += 1;
    if (wasSilent(detector, doubt.one, doubt.other)) return doubt.age < RECENT_MAX;
    const place = rows.lastIndexOf(doubt.row);
    if (place >= 0) rows.splice(place, 1);
    return false;
  });
}

function stepsBetween({ reading: one }, { reading: other }) {
  return Math.max(other.seq - one.seq, 1) || 1;
}
