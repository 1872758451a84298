/** The rows of the fleet: only those near the window exist, each changed where something changed. */

import { create, setAttribute, setState, setStyle, setText } from "./elements.js";
import { hashOfBike } from "./route.js";
import { createSpark, sparkPoints } from "./spark.js";
import { createSparkline, drawSparkline, sparkScale } from "./sparkline.js";
import { rowsInSight } from "./visible.js";
import { batteryWord, describeBike, powerWord, speedWord } from "./words.js";

/** Keep the rows of `table` in step with the ids, in their order. */
export function createFleetRows(table, palette) {
  const [above, body, below] = table.tBodies;
  const rows = new Map();
  return {
    /**
     * @param state `{bikes, sparks, link, unit}`
     * @returns {string[]} the ids of the rows that exist
     */
    draw(ids, state, now_ms) {
      const top_px = above.getBoundingClientRect().top;
      const row_px = parseFloat(getComputedStyle(above).lineHeight);
      const [first, end] = rowsInSight(top_px, innerHeight, row_px, ids.length);
      const shown = ids.slice(first, end);
      const look = { colours: palette.colours, scale: sparkScale() };
      setPad(above, first);
      setPad(below, ids.length - end);
      setAttribute(table, "aria-rowcount", ids.length + 1);
      keepOnly(rows, new Set(shown));
      shown.forEach((id, place) => {
        if (!rows.has(id)) rows.set(id, createRow(id));
        const row = rows.get(id);
        if (body.rows[place] !== row.item) body.insertBefore(row.item, body.rows[place] ?? null);
        setAttribute(row.item, "aria-rowindex", first + place + 2);
        drawRow(row, state.bikes.get(id), state, now_ms, look);
      });
      return shown;
    },
  };
}

/** Stand in for rows that do not exist. */
function setPad(pad, count) {
  setStyle(pad, "height", `calc(${count} * var(--row))`);
}

function keepOnly(rows, ids) {
  for (const [id, { item }] of rows) {
    if (ids.has(id)) continue;
    item.remove();
    rows.delete(id);
  }
}

function createRow(id) {
  const item = create("tr");
  item.setAttribute("role", "row");
  item.dataset.id = id;
  const cells = ["name", "bike-status", "speed-cell", "battery-cell", "power-cell", "trend"].map(
    (part) => {
      const cell = create("td", part, item);
      cell.setAttribute("role", "cell");
      return cell;
    },
  );
  const [name, status, speed, battery, power, trend] = cells;
  const anchor = create("a", "", name, id);
  anchor.href = hashOfBike(id);
  return {
    item,
    model: create("span", "model", name),
    state: create("span", "state", status),
    speed: create("span", "figure", speed),
    unit: create("span", "unit", speed),
    battery,
    power,
    canvas: createSparkline(trend),
  };
}

function drawRow(row, bike, { sparks, link, unit }, now_ms, look) {
  const { kind, label } = describeBike(bike.id, bike, link);
  setText(row.model, bike.model ?? "");
  setState(row.state, kind, label);
  setText(row.speed, speedWord(bike.reading, unit));
  setText(row.unit, ` ${unit.speed}`);
  setText(row.battery, batteryWord(bike.reading));
  setText(row.power, powerWord(bike.reading));
  row.item.classList.toggle("stale", kind !== "online");
  const spark = sparks.get(bike.id) ?? createSpark();
  const points = sparkPoints(spark, now_ms);
  drawSparkline(row.canvas, points, look.scale, look.colours, kind !== "online");
}
