/** Fill the small pictures of bikes that just came into sight with what the gateway holds. */

import { isKnown, nearestOffset } from "./clock.js";
import { pastUrl, waitBefore } from "./past.js";
import { createSpark, fillSpark, SPARK_POINTS } from "./spark.js";

const CLOCK_MS = 5_000; // a bike whose clock is not known by then sends nothing that tells it
const PAUSE_MS = 50; // between two questions: a fleet is not asked for in one burst

/**
 * @param fleet `{bikes, sparks, clocks}` by id, and how many `reconnects` there were
 * @returns {(ids: string[]) => void} asks for those that were not asked for since the line is up
 *   and the bike is there, one after the other
 */
export function createSparkHistory(fleet, onFilled) {
  const asked = new Map();
  const tries = new Map();
  const seen = new Map(); // since when a bike was in sight without a clock that is known
  let wanted = [];
  let isBusy = false;
  async function askNext() {
    const id = wanted.find((one) => asked.get(one) !== situationOf(one) && isReady(one));
    isBusy = id !== undefined;
    if (!isBusy) return;
    asked.set(id, situationOf(id));
    await fill(id).catch(() => take(id, [], 0)); // the picture fills by itself as time goes on
    setTimeout(askNext, PAUSE_MS);
  }
  /** A bike that comes back may bring what it measured while it was away. */
  function situationOf(id) {
    return `${fleet.reconnects} ${fleet.bikes.get(id)?.online}`;
  }
  /** Not before a bike's clock is known: it may be years off, and its past lies there. */
  function isReady(id) {
    const { reading, online, interval_ms = 0 } = fleet.bikes.get(id) ?? {};
    if (!reading) return false;
    if (!online || isKnown(fleet.clocks.get(id))) return true;
    if (!seen.has(id)) seen.set(id, Date.now());
    return Date.now() - seen.get(id) > Math.max(CLOCK_MS, 2 * interval_ms);
  }
  async function fill(id) {
    const { online, reading } = fleet.bikes.get(id);
    const offset_ms = offsetFor(id);
    const to = (online ? Date.now() : reading.ts_ms + offset_ms) / 1000;
    const span = { from: to - SPARK_POINTS, to };
    const answer = await fetch(pastUrl(id, span, offset_ms, SPARK_POINTS));
    const { readings, incomplete } = answer.ok ? await answer.json() : { readings: [] };
    if (incomplete === true) askLater(id);
    take(id, readings, offset_ms);
  }
  function askLater(id) {
    tries.set(id, (tries.get(id) ?? 0) + 1);
    const wait_ms = waitBefore(tries.get(id));
    if (wait_ms !== undefined) setTimeout(() => asked.delete(id), wait_ms);
    else tries.delete(id);
  }
  function take(id, readings, offset_ms) {
    if (!fleet.bikes.has(id)) return;
    if (!fleet.sparks.has(id)) fleet.sparks.set(id, createSpark());
    fillSpark(fleet.sparks.get(id), readings, offset_ms, Date.now());
    fleet.sparks.get(id).isPastKnown = true;
    onFilled();
  }
  /** The past of a bike that is not there ends now at the latest, whatever its clock said. */
  function offsetFor(id) {
    const clock = fleet.clocks.get(id);
    if (isKnown(clock)) return nearestOffset(clock);
    return Math.min(0, Date.now() - fleet.bikes.get(id).reading.ts_ms);
  }
  return (ids) => {
    wanted = ids;
    if (!isBusy) askNext();
  };
}
