/** The state of all bikes: newest readings, recent speeds, clock offsets and changes. Pure. */

import { applyReading, createBikes } from "./bikes.js";
import { AGREE_MS, createClock, isKnown, observe, offsetOf } from "./clock_offset.js";
import { createChanges } from "./fleet_changes.js";
import { addSpeed, createSpeedRing } from "./speed_ring.js";

/** `bikes`, `speeds` and `clocks` are Maps by id. */
export function createFleet() {
  return { bikes: createBikes(), speeds: new Map(), clocks: new Map(), changes: createChanges() };
}

/** Apply a newest reading of any bike. */
export function applyFleetReading(fleet, reading, arrival_ms) {
  const id = reading.device_id;
  applyReading(fleet.bikes, reading);
  if (!fleet.bikes.has(id)) return;
  observe(clockOf(fleet, id), reading, arrival_ms);
  if (!fleet.speeds.has(id)) fleet.speeds.set(id, createSpeedRing());
  const { speed_kmh, epoch } = reading;
  const at_ms = measuredAt(clockOf(fleet, id), reading, arrival_ms);
  addSpeed(fleet.speeds.get(id), speed_kmh, arrival_ms, { epoch, at_ms });
  forgetOthers(fleet);
}

/** When a reading was measured by the reader's clock; the time of arrival unless it was delayed. */
function measuredAt(clock, { ts_ms }, arrival_ms) {
  const at_ms = ts_ms + offsetOf(clock);
  return isKnown(clock) && arrival_ms - at_ms > AGREE_MS ? at_ms : arrival_ms;
}

/** The clock offset of a bike, the same object each time. */
export function clockOf({ clocks }, id) {
  if (!clocks.has(id)) clocks.set(id, createClock());
  return clocks.get(id);
}

/** Delete the state of bikes that were removed from the list. */
function forgetOthers({ bikes, speeds, clocks, changes }) {
  for (const kept of [speeds, clocks, changes.known]) {
    if (kept.size <= bikes.size + 1) continue; // the open bike may not be in the list yet
    for (const id of kept.keys()) if (!bikes.has(id)) kept.delete(id);
  }
}
