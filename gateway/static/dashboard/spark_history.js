/** Fill the small pictures of bikes that just came into sight with what the gateway holds. */

import { offsetOf } from "./clock.js";
import { pastUrl } from "./past.js";
import { createSpark, fillSpark, SPARK_POINTS } from "./spark.js";

const PAUSE_MS = 50; // between two questions: a fleet is not asked for in one burst

/**
 * @param fleet `{bikes, sparks, clocks}` by id, and how many `reconnects` there were
 * @returns {(ids: string[]) => void} asks for those that were not asked for since the line is up,
 *   one after the other
 */
export function createSparkHistory(fleet, onFilled) {
  const asked = new Map();
  let wanted = [];
  let isBusy = false;
  async function askNext() {
    const { bikes, reconnects } = fleet;
    const id = wanted.find((one) => asked.get(one) !== reconnects && bikes.get(one)?.reading);
    isBusy = id !== undefined;
    if (!isBusy) return;
    asked.set(id, reconnects);
    take(id, await ask(id).catch(() => [])); // the picture fills by itself as time goes on
    setTimeout(askNext, PAUSE_MS);
  }
  async function ask(id) {
    const { online, reading } = fleet.bikes.get(id);
    const offset_ms = offsetFor(id);
    const to = (online ? Date.now() : reading.ts_ms + offset_ms) / 1000;
    const span = { from: to - SPARK_POINTS, to };
    const answer = await fetch(pastUrl(id, span, offset_ms, SPARK_POINTS));
    return answer.ok ? (await answer.json()).readings : [];
  }
  function take(id, readings) {
    if (!fleet.bikes.has(id)) return;
    if (!fleet.sparks.has(id)) fleet.sparks.set(id, createSpark());
    fillSpark(fleet.sparks.get(id), readings, offsetFor(id));
    fleet.sparks.get(id).isPastKnown = true;
    onFilled();
  }
  function offsetFor(id) {
    return fleet.clocks.has(id) ? offsetOf(fleet.clocks.get(id)) : 0;
  }
  return (ids) => {
    wanted = ids;
    if (!isBusy) askNext();
  };
}
