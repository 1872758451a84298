/**
 * Where the line of a bike breaks: at a gap, between two rides, and where the bike was silent for
 * longer than its own pace explains. Pure; bounded.
 *
 * The time between two readings teaches the bike's interval. The median of the last few counts, so
 * that one silence changes nothing. Neighbours in a thinned answer are not neighbours in the ride:
 * their numbers say how many intervals lie between them. A silence is judged again while the next
 * readings come, because only they can show that the bike is slow and was not silent.
 */

const RECENT_MAX = 5; // a median of five follows a new pace after three readings
const SURE = 2; // with fewer intervals the bike's own word counts
const MISSED = 2.5; // intervals: one reading may be late, two are missing
const SILENCE_MIN_S = 2; // a shorter pause, as of a busy sensor, hides nothing of a ride
const SILENCE_S = 5; // of a bike whose interval nobody knows, or that has none
const TOLERANCE = 1.2; // a bike that is somewhat slower than its median was not silent
const CLOCK_BACK_S = 5; // a clock set back further starts another time axis

/**
 * `told_s` is the interval that the bike names: 0 when irregular, null while it is not known.
 * `thinned_s` is the longest time between two rows for which thinning may be the reason.
 */
export function createLine(thinned_s = Infinity) {
  return { told_s: null, recent: [], doubts: [], thinned_s };
}

/** Take the interval that the bike names. A new one makes the measured ones void. */
export function tellInterval(line, interval_ms) {
  const told_s = interval_ms === undefined ? null : interval_ms / 1000;
  if (told_s !== line.told_s) Object.assign(line, { told_s, recent: [] });
}

/** How long the bike may send nothing, in seconds, before the line breaks. */
export function silenceOf(line) {
  const interval_s = intervalOf(line);
  const least_s = interval_s === null || line.told_s === 0 ? SILENCE_S : SILENCE_MIN_S;
  return Math.max(MISSED * (interval_s ?? 0), least_s);
}

/** Put a row behind the others, and a break before it where the line must not go on. */
export function extendLine(line, rows, row, isBroken = false) {
  const last = rows.at(-1);
  if (last?.reading && (isBroken || isOtherRide(last, row))) rows.push(breakBetween(last, row));
  else if (last?.reading) {
    learn(line, last, row);
    rejudge(line, rows);
    if (isApart(line, last, row)) pause(line, rows, last, row);
  }
  rows.push(row);
}

/** Whether the second of two rows belongs to another ride: its numbering began anew. */
export function isOtherRide({ reading: one }, { reading: other }) {
  return one.epoch !== other.epoch;
}

/** Whether the bike was silent between two rows that follow each other in one ride. */
function isApart(line, one, other) {
  const left_out_s = (stepsBetween(one, other) - 1) * (intervalOf(line) ?? 0) * TOLERANCE;
  return other.t - one.t - Math.min(left_out_s, line.thinned_s) > silenceOf(line);
}

/** Whether a reading measured at `t` says that the clock was set back since the last row. */
export function isSetBack(last_s, t) {
  return t < last_s - CLOCK_BACK_S;
}

/** The row that breaks a line between two others. */
export function breakBetween(one, other) {
  return { t: (one.t + other.t) / 2, reading: null };
}

/** The interval in seconds; of an irregular bike the second longest of the last ones. */
function intervalOf({ told_s, recent }) {
  if (recent.length < SURE) return told_s || null;
  const sorted = recent.toSorted((a, b) => a - b);
  return told_s === 0 ? sorted.at(-2) : sorted[(sorted.length - 1) >> 1];
}

function learn(line, one, other) {
  const interval_s = (other.t - one.t) / stepsBetween(one, other);
  if (interval_s > 0) line.recent = [...line.recent, interval_s].slice(-RECENT_MAX);
}

function pause(line, rows, one, other) {
  const row = breakBetween(one, other);
  rows.push(row);
  line.doubts.push({ row, one, other, age: 0 });
}

/** Take back the breaks of a pace that was not known yet. */
function rejudge(line, rows) {
  line.doubts = line.doubts.filter((doubt) => {
    doubt.age += 1;
    if (isApart(line, doubt.one, doubt.other)) return doubt.age < RECENT_MAX;
    const place = rows.lastIndexOf(doubt.row);
    if (place >= 0) rows.splice(place, 1);
    return false;
  });
}


function stepsBetween({ reading: one }, { reading: other }) {
  return Math.max(other.seq - one.seq, 1) || 1;
}
