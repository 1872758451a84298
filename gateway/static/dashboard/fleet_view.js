/** The view of all bikes: summary, recent changes, and the list. */

import { describeBike } from "./bike_status.js";
import { heardBikes } from "./bikes.js";
import { drawChanges, drawListed, drawSorting, drawSummary } from "./fleet_head.js";
import { createFleetRows } from "./fleet_rows.js";
import { filterAndSort, formatSort, NO_FILTER, parseSort, toggleSort } from "./fleet_sort.js";
import { loadPreference, savePreference } from "./preferences.js";
import { createThrottle } from "./scheduling.js";

const PICTURE_EVERY_MS = 1_000; // numbers and order change together; faster, neither can be read
const HOLD_MS = 2_000; // after scrolling or pointing, the reader is about to press a row

/**
 * Control the fleet's part of the page. It shows a snapshot, taken once a second: after scrolling, new
 * rows have the values by which the list was sorted.
 * @param part finds an element by its id
 * @param actions `{palette, request, loadSpeeds, announce}`: `request` asks for a frame, `loadSpeeds`
 *   receives the ids of the visible bikes, `announce` the result of a filter
 */
export function createFleetView(part, { palette, request, loadSpeeds, announce }) {
  const table = part("fleet");
  const rows = createFleetRows(table, palette);
  const view = {
    sort: parseSort(loadPreference("sort")),
    filter: NO_FILTER,
    order: [],
    isHeld: false,
    isOver: false,
    isAsked: false, // whether the result of a filter has to be announced
    left_ms: -Infinity,
    scroll_px: 0,
    opened: null, // the bike whose row was pressed last; null after a press elsewhere
    picture: null,
    isMoved: false,
    pace: createThrottle(PICTURE_EVERY_MS),
  };
  function invalidate() {
    view.pace.invalidate();
    request();
  }
  function rearrange() {
    view.order = [];
    rows.forget();
    invalidate();
  }
  function moved() {
    view.isMoved = true;
    request();
  }
  function draw(state, now_ms) {
    const isDue = view.pace.isDue(now_ms);
    if (isDue) takePicture(part, table, view, state, now_ms);
    if (!isDue && !view.isMoved) return;
    loadSpeeds(rows.draw(view.order, view.picture));
    view.isMoved = false;
    if (!isDue || !view.isAsked) return;
    view.isAsked = false;
    announce(part("no-match").textContent || part("listed").textContent);
  }
  listenToSorting(table, view, rearrange);
  listenToFilter(part, view, rearrange);
  listenToHand(table.tBodies[1], view, invalidate);
  part("fleet-view").addEventListener("click", ({ target }) => {
    view.opened = target.closest("tr[data-id]")?.dataset.id ?? null;
  });
  addEventListener("resize", moved);
  addEventListener("scroll", () => {
    view.left_ms = performance.now();
    moved();
  });
  new ResizeObserver(moved).observe(table.tHead); // it grows with the font size, as the rows do
  palette.onChange(invalidate);
  return {
    draw,
    invalidate,
    /** Save the scroll position before another view is shown. */
    leave: () => Object.assign(view, { scroll_px: scrollY, isOver: false }),
    /** Return to that position; focus the row of the bike if it was opened there. */
    comeBack(state, id) {
      const now_ms = performance.now();
      view.left_ms = now_ms; // hold the rows: the pointer is still over them
      view.pace.invalidate();
      draw(state, now_ms);
      scrollTo(0, view.scroll_px);
      const isAtRow = view.opened === id && rows.goTo(id);
      if (!isAtRow) part("fleet-title").focus({ preventScroll: true });
    },
  };
}

/** The bikes that the gateway has heard from: `{bike, kind}`. */
export function entriesOf({ bikes, connection }) {
  return heardBikes(bikes).map((bike) => ({ bike, kind: describeBike(bike.id, bike, connection).kind }));
}

function takePicture(part, table, view, state, now_ms) {
  view.picture = { ...state, bikes: new Map(state.bikes) };
  const entries = entriesOf(state);
  view.isHeld = isHeld(view, table, now_ms);
  view.order = nextOrder(view, entries, state.connection);
  drawSummary(part, entries, state);
  drawChanges(part("changes"), state.changes.items);
  drawSorting(table, view.sort);
  drawListed(part, view, entries, state);
}

/** Whether rows must keep their places: under the pointer, after scrolling, or with keyboard focus. */
function isHeld({ isOver, left_ms }, table, now_ms) {
  const hasFocus = table.tBodies[1].querySelector(":focus-visible") !== null;
  return hasFocus || isOver || now_ms - left_ms < HOLD_MS;
}

/** The ids in their order. A held order only gets new bikes at its end. */
function nextOrder({ order, filter, sort, isHeld }, entries, connection) {
  const isUp = connection.state === "connected";
  if (!isUp && order.length > 0) return order; // without a connection nothing newer is known
  const ids = filterAndSort(entries, filter, sort).map(({ bike }) => bike.id);
  if (!isHeld) return ids;
  const present = new Set(ids);
  const kept = order.filter((id) => present.delete(id));
  return [...kept, ...present];
}

function listenToSorting(table, view, changed) {
  for (const button of table.tHead.querySelectorAll("button")) {
    button.addEventListener("click", () => {
      view.sort = toggleSort(view.sort, button.dataset.sort);
      savePreference("sort", formatSort(view.sort));
      changed();
    });
  }
}

function listenToFilter(part, view, changed) {
  part("find").addEventListener("input", ({ target }) => {
    Object.assign(view, { filter: { ...view.filter, words: target.value }, isAsked: true });
    changed();
  });
  part("find-state").addEventListener("change", ({ target }) => {
    Object.assign(view, { filter: { ...view.filter, kind: target.value }, isAsked: true });
    changed();
  });
}

function listenToHand(body, view, invalidate) {
  body.addEventListener("pointerenter", () => {
    view.isOver = true;
    invalidate();
  });
  body.addEventListener("pointerleave", () => {
    view.isOver = false;
    view.left_ms = performance.now();
  });
  body.addEventListener("focusin", invalidate);
}
