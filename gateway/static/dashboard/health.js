/** How well readings arrive: rate and latency of the last seconds. Pure; bounded. */

const SECONDS = 5; // short enough to see a change, long enough for a number that can be read

/** `slots` hold one second each: how many arrived in it, and how late. */
export function createHealth() {
  return { slots: Array.from({ length: SECONDS + 1 }, () => emptySlot(-1)), since_ms: null };
}

/** Count a reading that arrived `latency_ms` after it was measured. */
export function countArrival(health, arrival_ms, latency_ms) {
  const second = Math.floor(arrival_ms / 1000);
  const place = second % health.slots.length;
  if (health.slots[place].second !== second) health.slots[place] = emptySlot(second);
  const slot = health.slots[place];
  slot.count += 1;
  slot.total_ms += latency_ms;
  slot.worst_ms = Math.max(slot.worst_ms, latency_ms);
  health.since_ms ??= arrival_ms;
}

/** The last seconds: `{rate_hz, latency_ms, worst_ms}`; null where nothing arrived. */
export function sumUp(health, now_ms) {
  const second = Math.floor(now_ms / 1000);
  const slots = health.slots.filter((slot) => slot.second >= second - SECONDS && slot.count > 0);
  const count = slots.reduce((sum, slot) => sum + slot.count, 0);
  if (count === 0) return { rate_hz: 0, latency_ms: null, worst_ms: null };
  const from_ms = (second - SECONDS) * 1000;
  const isNew = health.since_ms > from_ms; // then the first reading is where counting begins
  return {
    rate_hz:
      ((count - Number(isNew)) * 1000) /
      Math.max(now_ms - (isNew ? health.since_ms : from_ms), 1000),
    latency_ms: slots.reduce((sum, slot) => sum + slot.total_ms, 0) / count,
    worst_ms: Math.max(...slots.map((slot) => slot.worst_ms)),
  };
}

function emptySlot(second) {
  return { second, count: 0, total_ms: 0, worst_ms: 0 };
}
