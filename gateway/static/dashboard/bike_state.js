/** The state of the open bike, and how readings, gaps and statuses change it. Pure. */

import { countArrival, createArrivalStats } from "./arrival_stats.js";
import { emptyPageText } from "./bike_status.js";
import { createClock, isKnown, observe, offsetOf } from "./clock_offset.js";
import { missingReason, NOT_REQUESTED, oldestTime, requestAgain } from "./history_state.js";
import { setStatedInterval } from "./line_breaks.js";
import { END_AFTER_S } from "./silence.js";
import { countGap, countReading, EMPTY_TALLY } from "./tally.js";
import { boundsOf, fitToHistory } from "./time_range.js";
import { addGap, addReading, createTrack, firstTime, lastTime, shiftTrack } from "./track.js";

/**
 * `clock` is the bike's clock offset, which outlives this state; `bike` is the entry in the list of
 * bikes. `hole` is the last gap, `{from, to}` in seconds, until its readings were requested.
 */
export function createBikeState(clock = createClock(), bike = undefined) {
  const shown = {
    clock,
    tally: EMPTY_TALLY,
    track: createTrack(),
    arrivals: createArrivalStats(),
    history: NOT_REQUESTED,
    hole: null,
    latest: null,
    offset_ms: offsetOf(clock),
    isClockKnown: isKnown(clock),
  };
  setStatedInterval(shown.track.detector, bike?.interval_ms);
  return shown;
}

/** Apply a status; `bike` is the entry before it. A changed model starts another ride. */
export function applyStatus(shown, bike, { online, model, interval_ms }) {
  if (online && !bike?.online) shown.history = requestAgain(shown.history);
  if (bike?.model !== undefined && model !== bike.model) addGap(shown.track);
  setStatedInterval(shown.track.detector, interval_ms);
}

/** Apply a reading that arrived now; true if it is the first after a gap. */
export function applyReading(shown, reading, arrival_ms) {
  observeClock(shown, reading, arrival_ms);
  const measured_ms = reading.ts_ms + shown.offset_ms;
  addReading(shown.track, reading, measured_ms / 1000);
  shown.tally = countReading(shown.tally, reading, measured_ms);
  countArrival(shown.arrivals, arrival_ms, arrival_ms - measured_ms, reading.ts_ms);
  const endsHole = shown.hole !== null;
  if (endsHole) shown.hole = { ...shown.hole, to: measured_ms / 1000 };
  return endsHole;
}

/**
 * Learn the clock offset from a reading that arrived now. Until the offset of a ride is known, the
 * offset of the last ride counts. When it becomes known, the existing rows move with it.
 */
function observeClock(shown, reading, arrival_ms) {
  const { clock, offset_ms, isClockKnown: wasKnown } = shown;
  observe(clock, reading, arrival_ms); // no effect if the fleet has observed this reading already
  shown.isClockKnown = isKnown(clock);
  if (shown.isClockKnown) shown.offset_ms = offsetOf(clock);
  const by_s = (shown.offset_ms - offset_ms) / 1000;
  if (wasKnown || by_s === 0) return;
  shiftTrack(shown.track, by_s);
  const { oldest } = shown.history;
  shown.history = requestAgain({ oldest: oldest && oldest + by_s });
}

/** Apply a gap: the line breaks, and the next reading tells which span to request from the bike. */
export function applyGap(shown, gap) {
  const from = lastTime(shown.track);
  addGap(shown.track);
  shown.tally = countGap(shown.tally, gap);
  if (from !== null) shown.hole ??= { from };
}

/**
 * Apply the answer to a subscription. Its `latest` reading is not part of the stream. An offline
 * bike sends no more: there `latest` is the last row, and the charts end soon after it.
 */
export function applyAnswer(shown, { online, latest }, arrival_ms) {
  shown.latest = latest;
  if (online && latest) observeClock(shown, latest, arrival_ms);
  if (!online && latest && lastTime(shown.track) === null) {
    addReading(shown.track, latest, (latest.ts_ms + shown.offset_ms) / 1000);
  }
  shown.history = requestAgain(shown.history);
}

/** Why the page of the bike is empty, if the missing connection is the reason; else null. */
export function whyEmpty(id, connection, { track }) {
  return lastTime(track) === null ? emptyPageText(id, connection) : null;
}

/** The right end of the charts in seconds: now, or soon after the last reading of a silent bike. */
export function newestMoment({ track, latest, offset_ms }, isOnline, now_s) {
  const last = lastTime(track) ?? (latest && (latest.ts_ms + offset_ms) / 1000);
  return isOnline || last === null ? now_s : Math.min(now_s, last + END_AFTER_S);
}

/**
 * Describe the visible part of time: the `window` of the range, the `bounds` that the charts show,
 * the `oldest` and newest (`now`) moments they can move to, the `first` time on the page, and the
 * `missing` reason for a hole before it.
 */
export function viewportOf({ history, track }, range, now) {
  const window = boundsOf(range, now);
  const first = firstTime(track);
  const oldest = oldestTime(history, first);
  const bounds = fitToHistory(range, window, oldest);
  const missing = missingReason(history, first, window);
  return { range, window, bounds, first, oldest: oldest ?? first ?? now, now, missing };
}
