/**
 * Estimate how far a bike's clock differs from the reader's. Pure.
 *
 * How it works. A reading takes some time from the bike to the page, and never less than none. So the
 * smallest difference between arrival and measurement comes nearest to the offset of the clocks. The
 * minimum of the last ten to twenty minutes counts, so that a drifting clock is followed. Offsets
 * under 2 s are treated as transmission time.
 */

export const AGREE_MS = 2_000; // clocks that differ less agree
const CERTAIN_MS = 60_000; // no delay is this long: one reading proves such a difference
const SAMPLES_MIN = 3; // a smaller difference needs this many readings
const WINDOW_MS = 600_000; // after this time a new minimum begins; the previous one still counts
const SET_BACK_MS = 5_000; // a later reading measured this much earlier: the clock was set back

/** The two clocks are assumed to agree until readings arrive. */
export function createClock() {
  return {
    epoch: -1,
    seq: -1,
    ts_ms: 0,
    since_ms: 0,
    samples: 0,
    minimum: Infinity,
    minimumBefore: Infinity,
  };
}

/** Learn from a reading as it arrives. Readings loaded from the past tell nothing about a clock. */
export function observe(clock, { epoch, seq, ts_ms }, arrival_ms) {
  if (epoch === clock.epoch && seq <= clock.seq) return;
  const isOther = epoch !== clock.epoch || ts_ms < clock.ts_ms - SET_BACK_MS;
  if (isOther) Object.assign(clock, createClock(), { since_ms: arrival_ms });
  if (arrival_ms - clock.since_ms > WINDOW_MS) {
    const { minimum: minimumBefore } = clock;
    Object.assign(clock, { minimumBefore, minimum: Infinity, since_ms: arrival_ms });
  }
  const minimum = Math.min(clock.minimum, arrival_ms - ts_ms);
  Object.assign(clock, { epoch, seq, ts_ms, minimum, samples: clock.samples + 1 });
}

/** Whether enough readings arrived to tell a wrong clock from delayed readings. */
export function isKnown(clock) {
  if (!clock || clock.samples === 0) return false;
  const difference_ms = Math.abs(minimumOffset(clock));
  return (
    clock.samples >= SAMPLES_MIN || difference_ms < AGREE_MS || difference_ms >= CERTAIN_MS
  );
}

/** The smallest difference, in ms, between the arrival and the measurement of a reading. */
export function minimumOffset({ minimum, minimumBefore }) {
  return Math.min(minimum, minimumBefore);
}

/** The ms to add to a bike's time to get the reader's; 0 while the clocks agree. */
export function offsetOf(clock) {
  const offset_ms = minimumOffset(clock);
  const enough_ms = clock.samples < SAMPLES_MIN ? CERTAIN_MS : AGREE_MS;
  return Number.isFinite(offset_ms) && Math.abs(offset_ms) >= enough_ms ? offset_ms : 0;
}
