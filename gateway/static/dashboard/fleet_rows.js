/**
 * The rows of the list of bikes. Only rows near the window exist, and the row that Tab leads to: it had
 * the focus last, and keeps it wherever the list is scrolled or sorted to.
 */

import { create, setAttribute, setStyle } from "./elements.js";
import { createRow, drawRow } from "./fleet_row.js";
import { indexAfterKey } from "./roving_tabindex.js";
import { sparklineScale } from "./sparkline.js";
import { visibleRows, withFocusedRow } from "./virtual_rows.js";

/** Show one row of `table` for each id, in their order. */
export function createFleetRows(table, palette) {
  const [above, body, below] = table.tBodies;
  const between = create("tr", "pad");
  between.setAttribute("aria-hidden", "true");
  const rows = new Map();
  const stop = { id: null, place: 0 };
  let ids = [];
  let state = null;

  function draw() {
    const hadFocus = hasFocus();
    moveStop(stop, ids);
    const runs = withFocusedRow(visibleRows(...scrollMetrics(above), ids.length), stop.place);
    setPad(above, runs[0][0]);
    setPad(between, runs.length > 1 ? runs[1][0] - runs[0][1] : 0);
    setPad(below, ids.length - runs.at(-1)[1]);
    setAttribute(table, "aria-rowcount", ids.length + 1);
    const shown = runs.map(([first, end]) => ids.slice(first, end));
    const [items, focused = []] = shown.map((run) => run.map(itemOf));
    putInOrder(body, focused.length > 0 ? [...items, between, ...focused] : items);
    for (const [id, { item }] of rows) if (!item.isConnected) rows.delete(id);
    drawRows(runs);
    if (hadFocus && !hasFocus()) focus();
    return shown.flat();
  }

  function itemOf(id) {
    if (!rows.has(id)) rows.set(id, createRow(id));
    return rows.get(id).item;
  }

  function drawRows(runs) {
    const look = { colours: palette.colours, scale: sparklineScale() };
    const now_ms = Date.now();
    for (const [first, end] of runs) {
      ids.slice(first, end).forEach((id, offset) => {
        const isStop = first + offset === stop.place;
        const where = { place: first + offset, isStop, now_ms, look };
        drawRow(rows.get(id), state.bikes.get(id), state, where);
      });
    }
  }

  function hasFocus() {
    return body.contains(document.activeElement);
  }

  function focus() {
    rows.get(stop.id)?.anchor.focus({ preventScroll: true });
  }

  function goTo(id) {
    Object.assign(stop, { id, place: ids.indexOf(id) });
    draw();
    focus();
    rows.get(id).item.scrollIntoView({ block: "nearest" });
  }

  body.addEventListener("focusin", ({ target }) => {
    const { id } = target.closest("tr").dataset;
    Object.assign(stop, { id, place: ids.indexOf(id) });
  });
  body.addEventListener("keydown", (event) => {
    const [, window_px, row_px] = scrollMetrics(above);
    const covered = 2; // rows under the headings and notices at the edges
    const page = Math.max(Math.floor(window_px / row_px) - covered, 1);
    const place = indexAfterKey(event, stop.place, ids.length, page);
    if (place === null) return;
    event.preventDefault();
    goTo(ids[place]);
  });

  return {
    /**
     * @param shown `{bikes, speeds, connection, unit}`
     * @returns {string[]} the ids of the rows that exist
     */
    draw(order, shown) {
      [ids, state] = [order, shown];
      return draw();
    },
    /** Focus the row of a bike; false if it is not in the list. */
    goTo(id) {
      const isListed = ids.includes(id);
      if (isListed) goTo(id);
      return isListed;
    },
    /** Let Tab lead to the first row again. */
    forget: () => (stop.id = null),
  };
}

/** The arguments of `visibleRows` in px: top of the list, height of the window, height of a row. */
function scrollMetrics(above) {
  const row_px = parseFloat(getComputedStyle(above).lineHeight);
  return [above.getBoundingClientRect().top, innerHeight, row_px];
}

/** Find the new place of the row that Tab leads to; if it is gone, its neighbour replaces it. */
function moveStop(stop, ids) {
  const place = ids.indexOf(stop.id);
  if (place >= 0) stop.place = place;
  else stop.place = stop.id === null ? 0 : Math.min(stop.place, ids.length - 1);
  stop.id = stop.id === null ? null : (ids[stop.place] ?? null);
}

/** Make `wanted` the children of `body`, with the fewest moves. */
function putInOrder(body, wanted) {
  const kept = new Set(wanted);
  for (const item of [...body.rows]) if (!kept.has(item)) item.remove();
  wanted.forEach((item, place) => {
    if (body.rows[place] !== item) body.insertBefore(item, body.rows[place] ?? null);
  });
}

/** Fill the space of rows that do not exist. */
function setPad(pad, count) {
  setStyle(pad, "height", `calc(${count} * var(--row))`);
}
