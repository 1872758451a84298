/**
 * How well readings arrive: rate and latency of the last seconds, or of the last few readings of a
 * slow bike. Pure; bounded.
 */

const SECONDS = 5; // short enough to see a change, long enough for a number that can be read
const ENOUGH = 4; // readings in these seconds; with fewer the last ones count, however old
const RECENT_MAX = 6; // readings of a slow bike: five intervals between them
const MISSED = 2.5; // intervals: two readings are missing
const FALL_MS = 2_000; // readings are so much less late than just before: the backlog arrives

const NOT_FALLING = Object.freeze({ isFalling: false, late_ms: 0 });

/** `slots` hold one second each: how many arrived in it, when, and how late. */
export function createHealth() {
  const peak = { late_ms: 0, at_ms: 0 };
  return { ...createCounts(), peak, last: NOT_FALLING, isCatchingUp: false };
}

/** Count a reading that arrived `latency_ms` after it was measured. */
export function countArrival(health, arrival_ms, latency_ms) {
  const { peak, last } = health;
  const goesOnFalling = last.isFalling && latency_ms < last.late_ms;
  const isFalling = peak.late_ms - latency_ms > FALL_MS || goesOnFalling;
  health.last = { isFalling, late_ms: latency_ms };
  notePeak(health, arrival_ms, latency_ms, isFalling);
  if (isFalling) {
    // readings that waited say nothing of the line as it is now: begin anew with each of them
    Object.assign(health, createCounts(), { isCatchingUp: latency_ms > FALL_MS });
    if (!health.isCatchingUp) health.peak = { late_ms: latency_ms, at_ms: arrival_ms };
  } else health.isCatchingUp = false;
  countIn(slotOf(health, arrival_ms), arrival_ms, latency_ms);
  health.recent = [...health.recent, { arrival_ms, latency_ms }].slice(-RECENT_MAX);
}

/**
 * The last seconds: `{rate_hz, latency_ms, worst_ms, isCatchingUp}`; the rate 0 while it is not
 * known, the latencies null where nothing arrived. `interval_ms` is what the bike names, if it does.
 */
export function sumUp(health, now_ms, interval_ms = 0) {
  const second = Math.floor(now_ms / 1000);
  const slots = health.slots
    .filter((slot) => slot.second >= second - SECONDS && slot.count > 0)
    .sort((one, other) => one.second - other.second);
  const count = slots.reduce((sum, slot) => sum + slot.count, 0);
  const { isCatchingUp } = health;
  if (count < ENOUGH) return { ...sumUpRecent(health, now_ms, interval_ms), isCatchingUp };
  const first_ms = slots[0].first_ms;
  const measured_hz = ((count - 1) * 1000) / Math.max(slots.at(-1).last_ms - first_ms, 1000);
  return {
    rate_hz: Math.min(measured_hz, (count * 1000) / Math.max(now_ms - first_ms, 1)),
    latency_ms: slots.reduce((sum, slot) => sum + slot.total_ms, 0) / count,
    worst_ms: Math.max(...slots.map((slot) => slot.worst_ms)),
    isCatchingUp,
  };
}

function sumUpRecent({ recent }, now_ms, interval_ms) {
  const apart_ms = medianApart(recent);
  const silence_ms = Math.max(SECONDS * 1000, MISSED * Math.max(apart_ms, interval_ms));
  if (recent.length === 0 || now_ms - recent.at(-1).arrival_ms > silence_ms) {
    return { rate_hz: 0, latency_ms: null, worst_ms: null };
  }
  const latencies = recent.map(({ latency_ms }) => latency_ms);
  return {
    rate_hz: apart_ms > 0 ? 1000 / apart_ms : 0,
    latency_ms: latencies.reduce((sum, one) => sum + one, 0) / latencies.length,
    worst_ms: Math.max(...latencies),
  };
}

/** The usual time between two arrivals, in ms; 0 while it is not known. */
function medianApart(recent) {
  const apart = recent.slice(1).map((one, place) => one.arrival_ms - recent[place].arrival_ms);
  return apart.sort((a, b) => a - b)[apart.length >> 1] ?? 0;
}

/** Keep the latest that readings were in the last seconds; a fall that goes on is still one. */
function notePeak(health, at_ms, late_ms, isFalling) {
  const { peak } = health;
  if (late_ms >= peak.late_ms) health.peak = { late_ms, at_ms };
  else if (at_ms - peak.at_ms > SECONDS * 1000) {
    health.peak = { late_ms: late_ms + (isFalling ? FALL_MS : 0), at_ms };
  }
}

function slotOf({ slots }, arrival_ms) {
  const second = Math.floor(arrival_ms / 1000);
  const place = second % slots.length;
  if (slots[place].second !== second) slots[place] = emptySlot(second);
  return slots[place];
}

function countIn(slot, arrival_ms, latency_ms) {
  slot.count += 1;
  slot.total_ms += latency_ms;
  slot.worst_ms = Math.max(slot.worst_ms, latency_ms);
  slot.first_ms ??= arrival_ms;
  slot.last_ms = arrival_ms;
}

function createCounts() {
  return { slots: Array.from({ length: SECONDS + 1 }, () => emptySlot(-1)), recent: [] };
}

function emptySlot(second) {
  return { second, count: 0, total_ms: 0, worst_ms: 0, first_ms: null, last_ms: null };
}
