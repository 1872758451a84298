/** One row of the fleet: made once, changed where something changed. */

import { create, setAttribute, setState, setText } from "./elements.js";
import { sinceWord } from "./fleet_words.js";
import { hashOfBike } from "./route.js";
import { createSpark, sparkEnd, sparkLines } from "./spark.js";
import { createSparkline, drawSparkline } from "./sparkline.js";
import { batteryWord, describeBike, powerWord, speedWord } from "./words.js";

const PARTS = ["name", "bike-status", "speed-cell", "battery-cell", "power-cell", "trend"];

/** Make the row of a bike; `anchor` is what takes the focus. */
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
export function drawRow(row, bike, { sparks, clocks, link, unit }, where) {
  const { place, isStop, now_ms, look } = where;
  const { kind, label } = describeBike(bike.id, bike, link);
  setAttribute(row.item, "aria-rowindex", place + 2); // the headings are the first
  setAttribute(row.anchor, "tabindex", isStop ? 0 : -1);
  setText(row.model, bike.model ?? "");
  setState(row.state, kind, label);
  const since = kind === "offline" ? sinceWord(bike, clocks.get(bike.id), now_ms) : null;
  row.since.part.hidden = since === null;
  setText(row.since.time, since ?? "");
  setText(row.speed, speedWord(bike.reading, unit));
  setText(row.unit, ` ${unit.speed}`);
  setText(row.battery, batteryWord(bike.reading));
  setText(row.power, powerWord(bike.reading));
  row.item.classList.toggle("stale", kind !== "online");
  const isOnline = kind === "online";
  const spark = sparks.get(bike.id) ?? createSpark();
  const isLoading = Boolean(bike.reading) && !spark.isPastKnown;
  row.canvas.classList.toggle("is-loading", isLoading);
  const end_ms = sparkEnd(spark, isOnline, now_ms);
  const lines = isLoading ? [] : sparkLines(spark, end_ms, bike.interval_ms);
  drawSparkline(row.canvas, lines, look.scale, look.colours, !isOnline);
}
