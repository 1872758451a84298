/** How far a bike's clock is from the reader's, told by its fastest readings. Pure. */

const AGREE_MS = 2_000; // closer clocks agree: the rest is the time on the way
const SURE_MS = 60_000; // a difference like this is no reading that was merely waiting
const SAMPLES_MIN = 3; // a smaller one is believed when this many readings showed it
const WINDOW_MS = 600_000; // a clock that drifts is judged anew after ten to twenty minutes
const SET_BACK_MS = 5_000; // a later reading measured this much earlier: the clock was set back

/** Nothing is known yet: both clocks are believed. */
export function createClock() {
  return {
    epoch: -1,
    seq: -1,
    ts_ms: 0,
    since_ms: 0,
    samples: 0,
    least: Infinity,
    leastBefore: Infinity,
  };
}

/** Learn from a reading as it arrives; readings of the past say nothing about a clock. */
export function observe(clock, { epoch, seq, ts_ms }, arrival_ms) {
  if (epoch === clock.epoch && seq <= clock.seq) return;
  const isOther = epoch !== clock.epoch || ts_ms < clock.ts_ms - SET_BACK_MS;
  if (isOther) Object.assign(clock, createClock(), { since_ms: arrival_ms });
  if (arrival_ms - clock.since_ms > WINDOW_MS) {
    Object.assign(clock, { leastBefore: clock.least, least: Infinity, since_ms: arrival_ms });
  }
  const least = Math.min(clock.least, arrival_ms - ts_ms);
  Object.assign(clock, { epoch, seq, ts_ms, least, samples: clock.samples + 1 });
}

/** Whether enough was heard to tell a clock that is wrong from readings that were merely waiting. */
export function isKnown(clock) {
  if (!clock || clock.samples === 0) return false;
  const apart_ms = Math.abs(nearestOffset(clock));
  return clock.samples >= SAMPLES_MIN || apart_ms < AGREE_MS || apart_ms >= SURE_MS;
}

/** What to add to a bike's time to get about the time of arrival, in ms. */
export function nearestOffset({ least, leastBefore }) {
  return Math.min(least, leastBefore);
}

/** What to add to a bike's time to get the reader's, in ms; 0 while the two agree. */
export function offsetOf(clock) {
  const offset_ms = nearestOffset(clock);
  const enough_ms = clock.samples < SAMPLES_MIN ? SURE_MS : AGREE_MS;
  return Number.isFinite(offset_ms) && Math.abs(offset_ms) >= enough_ms ? offset_ms : 0;
}
