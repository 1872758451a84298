/** Load the recent speeds of bikes that came into view, for their sparklines. */

import { isKnown, minimumOffset } from "./clock_offset.js";
import { historyUrl } from "./readings_urls.js";
import { retryDelay } from "./scheduling.js";
import { createSpeedRing, fillSpeeds, SPEED_POINTS } from "./speed_ring.js";

const CLOCK_MS = 5_000; // a bike whose clock offset is unknown after this time sends no readings
const PAUSE_MS = 50; // between two requests: the page does not ask for a whole fleet in one burst

/**
 * @param fleet `{bikes, speeds, clocks}` by id, and the number of `reconnects`
 * @returns {(ids: string[]) => void} loads the speeds of these bikes, one bike after the other. Each
 *   bike is loaded once, and again after a reconnect or after the bike came back.
 */
export function createSpeedHistory(fleet, onFilled) {
  const loaded = new Map(); // id → the situation in which it was loaded
  const attempts = new Map();
  const inViewSince = new Map(); // bikes whose clock offset is not known yet
  let wanted = [];
  let isBusy = false;
  async function loadNext() {
    const id = wanted.find((one) => loaded.get(one) !== situationOf(one) && isReady(one));
    isBusy = id !== undefined;
    if (!isBusy) return;
    loaded.set(id, situationOf(id));
    await load(id).catch(() => fill(id, [], 0)); // the sparkline then fills with live readings
    setTimeout(loadNext, PAUSE_MS);
  }
  /** A bike that comes back may bring readings that it measured while it was offline. */
  function situationOf(id) {
    return `${fleet.reconnects} ${fleet.bikes.get(id)?.online}`;
  }
  /** Wait for the clock offset of the bike: it may be years, and the past lies at its own times. */
  function isReady(id) {
    const { reading, online, interval_ms = 0 } = fleet.bikes.get(id) ?? {};
    if (!reading) return false;
    if (!online || isKnown(fleet.clocks.get(id))) return true;
    if (!inViewSince.has(id)) inViewSince.set(id, Date.now());
    return Date.now() - inViewSince.get(id) > Math.max(CLOCK_MS, 2 * interval_ms);
  }
  async function load(id) {
    const { online, reading } = fleet.bikes.get(id);
    const offset_ms = offsetFor(id);
    const to = (online ? Date.now() : reading.ts_ms + offset_ms) / 1000;
    const span = { from: to - SPEED_POINTS, to };
    const answer = await fetch(historyUrl(id, span, offset_ms, SPEED_POINTS));
    const { readings, incomplete } = answer.ok ? await answer.json() : { readings: [] };
    if (incomplete === true) loadAgainLater(id);
    fill(id, readings, offset_ms);
  }
  function loadAgainLater(id) {
    attempts.set(id, (attempts.get(id) ?? 0) + 1);
    const wait_ms = retryDelay(attempts.get(id));
    if (wait_ms !== undefined) setTimeout(() => loaded.delete(id), wait_ms);
    else attempts.delete(id);
  }
  function fill(id, readings, offset_ms) {
    if (!fleet.bikes.has(id)) return;
    if (!fleet.speeds.has(id)) fleet.speeds.set(id, createSpeedRing());
    fillSpeeds(fleet.speeds.get(id), readings, offset_ms, Date.now());
    fleet.speeds.get(id).isHistoryLoaded = true;
    onFilled();
  }
  /** If the offset is unknown, assume that the bike's last reading is not from the future. */
  function offsetFor(id) {
    const clock = fleet.clocks.get(id);
    if (isKnown(clock)) return minimumOffset(clock);
    return Math.min(0, Date.now() - fleet.bikes.get(id).reading.ts_ms);
  }
  return (ids) => {
    wanted = ids;
    if (!isBusy) loadNext();
  };
}
