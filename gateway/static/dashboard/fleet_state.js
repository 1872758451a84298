/** What is kept of all bikes: their newest readings, last speeds and clocks. Pure. */

import { createBikes, takeReading } from "./bikes.js";
import { createClock, isKnown, observe, offsetOf } from "./clock.js";
import { createNews } from "./news.js";
import { addSpeed, createSpark } from "./spark.js";

const LATE_MS = 2_000; // clocks agree within that; a reading that is later waited for a line

/** `bikes`, `sparks` and `clocks` by id; the last two only for bikes that are kept. */
export function createFleet() {
  return { bikes: createBikes(), sparks: new Map(), clocks: new Map(), news: createNews() };
}

/** Take a newest reading, of any bike. */
export function takeFleetReading(fleet, reading, arrival_ms) {
  const id = reading.device_id;
  takeReading(fleet.bikes, reading);
  if (!fleet.bikes.has(id)) return;
  observe(clockOf(fleet, id), reading, arrival_ms);
  if (!fleet.sparks.has(id)) fleet.sparks.set(id, createSpark());
  const { speed_kmh, epoch } = reading;
  const at_ms = measuredAt(clockOf(fleet, id), reading, arrival_ms);
  addSpeed(fleet.sparks.get(id), speed_kmh, arrival_ms, { epoch, at_ms });
  forgetOthers(fleet);
}

/** When a reading was measured, by the reader's clock, where that was long before it arrived. */
function measuredAt(clock, { ts_ms }, arrival_ms) {
  const at_ms = ts_ms + offsetOf(clock);
  return isKnown(clock) && arrival_ms - at_ms > LATE_MS ? at_ms : arrival_ms;
}

/** The clock of a bike, the same one each time. */
export function clockOf({ clocks }, id) {
  if (!clocks.has(id)) clocks.set(id, createClock());
  return clocks.get(id);
}

/** Bikes give way to others when there are too many; what belongs to them goes as well. */
function forgetOthers({ bikes, sparks, clocks, news }) {
  for (const kept of [sparks, clocks, news.known]) {
    if (kept.size <= bikes.size + 1) continue; // one is shown that was not heard yet
    for (const id of kept.keys()) if (!bikes.has(id)) kept.delete(id);
  }
}
