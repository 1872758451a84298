/** The fleet: what all bikes do, who came and went, and the list to choose from. */

import { heardBikes } from "./bikes.js";
import { drawListed, drawNews, drawSorting, drawSummary } from "./fleet_head.js";
import { createFleetRows } from "./fleet_rows.js";
import { createPace } from "./loop.js";
import { EVERYTHING, arrange, pressed, sortOf, sortWord } from "./order.js";
import { recall, remember } from "./preferences.js";
import { describeBike } from "./words.js";

const PICTURE_EVERY_MS = 1_000; // numbers and order change together: faster, neither can be read
const HOLD_MS = 2_000; // a finger that scrolled, or a hand that comes back, is about to press

/**
 * Take over the fleet's part of the page. What it shows is a picture taken once a second: the
 * numbers in sight are those the order was made of, also where it is scrolled in between.
 * @param part finds an element by its id
 * @param actions `{palette, request, fillSparks, tell}`: `request` asks for a frame, `fillSparks`
 *   is told which bikes are in sight, `tell` what was found
 */
export function createFleetView(part, { palette, request, fillSparks, tell }) {
  const table = part("fleet");
  const rows = createFleetRows(table, palette);
  const view = {
    sort: sortOf(recall("sort")),
    filter: EVERYTHING,
    order: [],
    isHeld: false,
    isOver: false,
    isAsked: false, // whether somebody waits for what the filter finds
    left_ms: -Infinity,
    scroll_px: 0,
    opened: null, // the bike whose row was pressed last, if nothing else was
    picture: null,
    isMoved: false,
    pace: createPace(PICTURE_EVERY_MS),
  };
  function hurry() {
    view.pace.hurry();
    request();
  }
  function rearrange() {
    view.order = [];
    rows.forget();
    hurry();
  }
  function moved() {
    view.isMoved = true;
    request();
  }
  function draw(state, now_ms) {
    const isDue = view.pace.isDue(now_ms);
    if (isDue) takePicture(part, table, view, state, now_ms);
    if (!isDue && !view.isMoved) return;
    fillSparks(rows.draw(view.order, view.picture));
    view.isMoved = false;
    if (!isDue || !view.isAsked) return;
    view.isAsked = false;
    tell(part("no-match").textContent || part("listed").textContent);
  }
  listenToSorting(table, view, rearrange);
  listenToFilter(part, view, rearrange);
  listenToHand(table.tBodies[1], view, hurry);
  part("fleet-view").addEventListener("click", ({ target }) => {
    view.opened = target.closest("tr[data-id]")?.dataset.id ?? null;
  });
  addEventListener("resize", moved);
  addEventListener("scroll", () => {
    view.left_ms = performance.now();
    moved();
  });
  new ResizeObserver(moved).observe(table.tHead); // it grows with the letters, as the rows do
  palette.onChange(hurry);
  return {
    draw,
    hurry,
    /** Remember the place in the list: another view is shown. */
    leave: () => Object.assign(view, { scroll_px: scrollY, isOver: false }),
    /** Lead back to that place; to the row of the bike that was looked at, if it was opened there. */
    comeBack(state, id) {
      const now_ms = performance.now();
      view.left_ms = now_ms; // the hand is where it was: rows wait for it
      view.pace.hurry();
      draw(state, now_ms);
      scrollTo(0, view.scroll_px);
      const isAtRow = view.opened === id && rows.goTo(id);
      if (!isAtRow) part("fleet-title").focus({ preventScroll: true });
    },
  };
}

/** The bikes heard, each with its state: `{bike, kind}`. */
export function entriesOf({ bikes, link }) {
  return heardBikes(bikes).map((bike) => ({ bike, kind: describeBike(bike.id, bike, link).kind }));
}

function takePicture(part, table, view, state, now_ms) {
  view.picture = { ...state, bikes: new Map(state.bikes) };
  const entries = entriesOf(state);
  view.isHeld = isHeld(view, table, now_ms);
  view.order = nextOrder(view, entries, state.link);
  drawSummary(part, entries, state);
  drawNews(part("news"), state.news.items);
  drawSorting(table, view.sort);
  drawListed(part, view, entries, state);
}

/** Whether somebody is in the list: a row must not move away from under a hand or the keyboard. */
function isHeld({ isOver, left_ms }, table, now_ms) {
  const hasFocus = table.tBodies[1].querySelector(":focus-visible") !== null;
  return hasFocus || isOver || now_ms - left_ms < HOLD_MS;
}

/** The ids in their order. One that is held takes in what is new at its end. */
function nextOrder({ order, filter, sort, isHeld }, entries, link) {
  const isUp = link.state === "connected";
  if (!isUp && order.length > 0) return order; // nobody knows better
  const ids = arrange(entries, filter, sort).map(({ bike }) => bike.id);
  if (!isHeld) return ids;
  const present = new Set(ids);
  const kept = order.filter((id) => present.delete(id));
  return [...kept, ...present];
}

function listenToSorting(table, view, changed) {
  for (const button of table.tHead.querySelectorAll("button")) {
    button.addEventListener("click", () => {
      view.sort = pressed(view.sort, button.dataset.sort);
      remember("sort", sortWord(view.sort));
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

function listenToHand(body, view, hurry) {
  body.addEventListener("pointerenter", () => {
    view.isOver = true;
    hurry();
  });
  body.addEventListener("pointerleave", () => {
    view.isOver = false;
    view.left_ms = performance.now();
  });
  body.addEventListener("focusin", hurry);
}
