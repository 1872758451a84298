/** Fill the small pictures of bikes that just came into sight with what the gateway holds. */

import { offsetOf } from "./clock.js";
import { pastUrl } from "./past.js";
import { fillSpark, SPARK_POINTS } from "./spark.js";

const PAUSE_MS = 50; // between two questions: a fleet is not asked for in one burst

/**
 * @param fleet `{sparks, clocks}` by id
 * @returns {(ids: string[]) => void} asks for those that were not asked for, one after the other
 */
export function createSparkHistory(fleet, onFilled) {
  const asked = new Set();
  let wanted = [];
  let isBusy = false;
  async function askNext() {
    const id = wanted.find((one) => !asked.has(one) && fleet.sparks.has(one));
    isBusy = id !== undefined;
    if (!isBusy) return;
    asked.add(id);
    await fill(id).catch(() => {}); // the picture fills by itself as time goes on
    setTimeout(askNext, PAUSE_MS);
  }
  async function fill(id) {
    const now_s = Date.now() / 1000;
    const offset_ms = fleet.clocks.has(id) ? offsetOf(fleet.clocks.get(id)) : 0;
    const span = { from: now_s - SPARK_POINTS, to: now_s };
    const answer = await fetch(pastUrl(id, span, offset_ms, SPARK_POINTS));
    if (!answer.ok || !fleet.sparks.has(id)) return;
    const { readings } = await answer.json();
    fillSpark(fleet.sparks.get(id), readings, offset_ms);
    onFilled();
  }
  return (ids) => {
    wanted = ids;
    if (!isBusy) askNext();
  };
}
