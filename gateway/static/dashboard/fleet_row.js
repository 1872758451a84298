/** One row of the list of bikes: created once, then changed. */

import { describeBike } from "./bike_status.js";
import { create, setAttribute, setState, setText } from "./elements.js";
import { sinceText } from "./fleet_texts.js";
import { hashOfBike } from "./route.js";
import { createSparkline, drawSparkline } from "./sparkline.js";
import { createSpeedRing, endOfSpeeds, speedLines } from "./speed_ring.js";
import { batteryText, powerText, speedText } from "./values.js";

const PARTS = ["name", "bike-status", "speed-cell", "battery-cell", "power-cell", "trend"];

/** Create the row of a bike; `anchor` receives the focus. */
export function createRow(id) {
  const item = create("tr");
  item.setAttribute("role", "row");
  item.dataset.id = id;
  const [name, status, speed, battery, power, trend] = PARTS.map((part) => createCell(part, item));
  const anchor = create("a", "", name, id);
  anchor.href = hashOfBike(id);
  return {
    item,
    anchor,
    model: create("span", "model", name),
    state: create("span", "state", status),
    since: createSince(status),
    speed: create("span", "figure", speed),
    unit: create("span", "unit", speed),
    battery,
    power,
    canvas: createSparkline(trend),
  };
}

function createSince(status) {
  const since = create("span", "since", status, " since ");
  return { part: since, time: create("time", "", since) };
}

function createCell(part, item) {
  const cell = create("td", part, item);
  cell.setAttribute("role", "gridcell");
  return cell;
}

/**
 * Show a bike in its row.
 * @param where `{place, isStop, now_ms, look}`: its place in the whole list, whether Tab leads to it,
 *   and `{colours, scale}` of sparklines
 */
export function drawRow(row, bike, { speeds, clocks, connection, unit }, where) {
  const { place, isStop, now_ms, look } = where;
  const { kind, label } = describeBike(bike.id, bike, connection);
  setAttribute(row.item, "aria-rowindex", place + 2); // row 1 is the headings
  setAttribute(row.anchor, "tabindex", isStop ? 0 : -1);
  setText(row.model, bike.model ?? "");
  setState(row.state, kind, label);
  const since = kind === "offline" ? sinceText(bike, clocks.get(bike.id), now_ms) : null;
  row.since.part.hidden = since === null;
  setText(row.since.time, since ?? "");
  setText(row.speed, speedText(bike.reading, unit));
  setText(row.unit, ` ${unit.speed}`);
  setText(row.battery, batteryText(bike.reading));
  setText(row.power, powerText(bike.reading));
  row.item.classList.toggle("stale", kind !== "online");
  const isOnline = kind === "online";
  const ring = speeds.get(bike.id) ?? createSpeedRing();
  const isLoading = Boolean(bike.reading) && !ring.isHistoryLoaded;
  row.canvas.classList.toggle("is-loading", isLoading);
  const end_ms = endOfSpeeds(ring, isOnline, now_ms);
  const lines = isLoading ? [] : speedLines(ring, end_ms, bike.interval_ms);
  drawSparkline(row.canvas, lines, look.scale, look.colours, !isOnline);
}
