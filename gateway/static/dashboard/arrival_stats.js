/**
 * Rate and latency of the readings that arrive: of the last 5 s, or of the last few readings of a
 * slow bike. Pure; bounded.
 *
 * How it works. Slots of one second count the arrivals. The rate comes from the times at which the
 * readings were measured, not only from the times at which they arrived: missed readings, and
 * readings that waited for a throttled tab, arrive all at once, and the bike is no faster for that.
 * For the same reason the rate does not depend on the page's clock, which may stand still.
 * Latencies that fall by more than 2 s show that missed readings are arriving. They say nothing about
 * the connection as it is now, so counting starts again with each of them.
 */

import { MISSED_INTERVALS } from "./silence.js";

const WINDOW_S = 5; // short enough to show a change, long enough for a steady number
const ENOUGH = 4; // readings in the window; with fewer, the last ones count, however old
const RECENT_MAX = 6; // readings of a slow bike: five intervals between them
const FALL_MS = 2_000; // a latency this far below the peak: missed readings are arriving

const NOT_FALLING = Object.freeze({ isFalling: false, latency_ms: 0 });

export function createArrivalStats() {
  const peak = { latency_ms: 0, at_ms: 0 };
  return { ...createCounts(), peak, last: NOT_FALLING, isCatchingUp: false };
}

/**
 * Count a reading that arrived `latency_ms` after it was measured. `measured_ms` is the time of
 * measurement by the bike's clock: only differences of it count.
 */
export function countArrival(stats, arrival_ms, latency_ms, measured_ms = arrival_ms - latency_ms) {
  const { peak, last } = stats;
  const keepsFalling = last.isFalling && latency_ms < last.latency_ms;
  const isFalling = peak.latency_ms - latency_ms > FALL_MS || keepsFalling;
  stats.last = { isFalling, latency_ms };
  updatePeak(stats, arrival_ms, latency_ms, isFalling);
  if (isFalling) {
    Object.assign(stats, createCounts(), { isCatchingUp: latency_ms > FALL_MS });
    if (!stats.isCatchingUp) stats.peak = { latency_ms, at_ms: arrival_ms };
  } else stats.isCatchingUp = false;
  const arrival = { arrival_ms, latency_ms, measured_ms };
  countIn(slotAt(stats, arrival_ms), arrival);
  stats.recent = [...stats.recent, arrival].slice(-RECENT_MAX);
}

/**
 * Summarize the last seconds: `{rate_hz, latency_ms, worst_ms, isCatchingUp}`. The rate is 0 while
 * unknown; the latencies are null if nothing arrived. `interval_ms` is the interval that the bike
 * states, if it states one.
 */
export function summarize(stats, now_ms, interval_ms = 0) {
  const second = Math.floor(now_ms / 1000);
  const slots = stats.slots.filter((slot) => slot.second >= second - WINDOW_S && slot.count > 0);
  const count = slots.reduce((sum, slot) => sum + slot.count, 0);
  const { isCatchingUp } = stats;
  if (count < ENOUGH) return { ...summarizeRecent(stats, now_ms, interval_ms), isCatchingUp };
  return {
    rate_hz: rateOf(slots, count, now_ms),
    latency_ms: slots.reduce((sum, slot) => sum + slot.total_ms, 0) / count,
    worst_ms: Math.max(...slots.map((slot) => slot.worst_ms)),
    isCatchingUp,
  };
}

/** The rate in Hz: over the time of measurement or of arrival, whichever is longer. */
function rateOf(slots, count, now_ms) {
  const firstOf = (key) => Math.min(...slots.map((slot) => slot[key].first_ms));
  const lastOf = (key) => Math.max(...slots.map((slot) => slot[key].last_ms));
  const spans_ms = ["arrived", "measured"].map((key) => lastOf(key) - firstOf(key));
  const rate_hz = ((count - 1) * 1000) / Math.max(...spans_ms, 1000);
  return Math.min(rate_hz, (count * 1000) / Math.max(now_ms - firstOf("arrived"), 1));
}

function summarizeRecent({ recent }, now_ms, interval_ms) {
  const median_ms = medianInterval(recent);
  const silence_ms = Math.max(WINDOW_S * 1000, MISSED_INTERVALS * Math.max(median_ms, interval_ms));
  if (recent.length === 0 || now_ms - recent.at(-1).arrival_ms > silence_ms) {
    return { rate_hz: 0, latency_ms: null, worst_ms: null };
  }
  const latencies = recent.map(({ latency_ms }) => latency_ms);
  return {
    rate_hz: median_ms > 0 ? 1000 / median_ms : 0,
    latency_ms: latencies.reduce((sum, one) => sum + one, 0) / latencies.length,
    worst_ms: Math.max(...latencies),
  };
}

/** The usual time between two readings, measured or arrived, in ms; 0 while unknown. */
function medianInterval(recent) {
  const intervals = recent.slice(1).map((one, place) => {
    const other = recent[place];
    return Math.max(one.arrival_ms - other.arrival_ms, one.measured_ms - other.measured_ms);
  });
  return intervals.sort((a, b) => a - b)[intervals.length >> 1] ?? 0;
}

/** Remember the highest latency of the last seconds. A fall that continues stays a fall. */
function updatePeak(stats, at_ms, latency_ms, isFalling) {
  const { peak } = stats;
  if (latency_ms >= peak.latency_ms) stats.peak = { latency_ms, at_ms };
  else if (at_ms - peak.at_ms > WINDOW_S * 1000) {
    stats.peak = { latency_ms: latency_ms + (isFalling ? FALL_MS : 0), at_ms };
  }
}

function slotAt({ slots }, arrival_ms) {
  const second = Math.floor(arrival_ms / 1000);
  const place = second % slots.length;
  if (slots[place].second !== second) slots[place] = emptySlot(second);
  return slots[place];
}

function countIn(slot, { arrival_ms, latency_ms, measured_ms }) {
  slot.count += 1;
  slot.total_ms += latency_ms;
  slot.worst_ms = Math.max(slot.worst_ms, latency_ms);
  extend(slot.arrived, arrival_ms);
  extend(slot.measured, measured_ms);
}

function extend(span, ms) {
  span.first_ms = Math.min(span.first_ms, ms);
  span.last_ms = Math.max(span.last_ms, ms);
}

/** `slots` are seconds of arrival; `recent` are the last readings, for a slow bike. */
function createCounts() {
  return { slots: Array.from({ length: WINDOW_S + 1 }, () => emptySlot(-1)), recent: [] };
}

function emptySlot(second) {
  const empty = { first_ms: Infinity, last_ms: -Infinity };
  return { second, count: 0, total_ms: 0, worst_ms: 0, arrived: { ...empty }, measured: { ...empty } };
}
