/**
 * The rows of the fleet. Only those near the window exist, and the one that Tab leads to: it is
 * the one that had the focus last, and keeps it wherever the list is scrolled or sorted to.
 */

import { create, setAttribute, setStyle } from "./elements.js";
import { createRow, drawRow } from "./fleet_row.js";
import { placeAfter } from "./roving.js";
import { sparkScale } from "./sparkline.js";
import { rowsInSight, withKept } from "./visible.js";

/** Keep the rows of `table` in step with the ids, in their order. */
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
    const runs = withKept(rowsInSight(...sightOf(above), ids.length), stop.place);
    setPad(above, runs[0][0]);
    setPad(between, runs.length > 1 ? runs[1][0] - runs[0][1] : 0);
    setPad(below, ids.length - runs.at(-1)[1]);
    setAttribute(table, "aria-rowcount", ids.length + 1);
    const shown = runs.map(([first, end]) => ids.slice(first, end));
    const [items, apart = []] = shown.map((run) => run.map(itemOf));
    putInOrder(body, apart.length > 0 ? [...items, between, ...apart] : items);
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
    const look = { colours: palette.colours, scale: sparkScale() };
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
    const [, window_px, row_px] = sightOf(above);
    const page = Math.max(Math.floor(window_px / row_px) - 2, 1); // what covers its edges apart
    const place = placeAfter(event, stop.place, ids.length, page);
    if (place === null) return;
    event.preventDefault();
    goTo(ids[place]);
  });

  return {
    /**
     * @param shown `{bikes, sparks, link, unit}`
     * @returns {string[]} the ids of the rows that exist
     */
    draw(order, shown) {
      [ids, state] = [order, shown];
      return draw();
    },
    /** Give the focus to a bike's row; false when it is not in the list. */
    goTo(id) {
      const isListed = ids.includes(id);
      if (isListed) goTo(id);
      return isListed;
    },
    /** Let Tab lead to the first row: the list is another one. */
    forget: () => (stop.id = null),
  };
}

/** Where the list begins, how high the window is and a row of it, in px, as for `rowsInSight`. */
function sightOf(above) {
  const row_px = parseFloat(getComputedStyle(above).lineHeight);
  return [above.getBoundingClientRect().top, innerHeight, row_px];
}

/** Find where the row that Tab leads to is now; one that went leaves that to its neighbour. */
function moveStop(stop, ids) {
  const place = ids.indexOf(stop.id);
  if (place >= 0) stop.place = place;
  else stop.place = stop.id === null ? 0 : Math.min(stop.place, ids.length - 1);
  stop.id = stop.id === null ? null : (ids[stop.place] ?? null);
}

/** Make `wanted` the children of `body`, and move no more than has to be. */
function putInOrder(body, wanted) {
  const kept = new Set(wanted);
  for (const item of [...body.rows]) if (!kept.has(item)) item.remove();
  wanted.forEach((item, place) => {
    if (body.rows[place] !== item) body.insertBefore(item, body.rows[place] ?? null);
  });
}

/** Stand in for rows that do not exist. */
function setPad(pad, count) {
  setStyle(pad, "height", `calc(${count} * var(--row))`);
}
