/** The fleet: what all bikes do, who came and went, and the list to choose from. */

import { heardBikes } from "./bikes.js";
import { create, setAttribute, setText } from "./elements.js";
import { createFleetRows } from "./fleet_rows.js";
import { createPace } from "./loop.js";
import { arrange, pressed, sortOf, sortWord } from "./order.js";
import { recall, remember } from "./preferences.js";
import { hashOfBike } from "./route.js";
import { NONE, batteryWord, clockWord, describeBike, speedWord } from "./words.js";

const DRAW_EVERY_MS = 250; // a number that changes faster cannot be read
const SORT_EVERY_MS = 1_500; // nor can a list that moves all the time
const HOLD_MS = 3_000; // a row must not move away from under a hand that is about to press it

/**
 * Take over the fleet's part of the page.
 * @param part finds an element by its id
 * @param request asks for a frame
 * @param fillSparks told which bikes are in sight
 */
export function createFleetView(part, palette, request, fillSparks) {
  const table = part("fleet");
  const rows = createFleetRows(table, palette);
  const view = {
    sort: sortOf(recall("sort")),
    filter: { words: "", kind: "all" },
    order: [],
    moved_ms: -Infinity,
    scroll_px: 0,
    drawPace: createPace(DRAW_EVERY_MS),
    sortPace: createPace(SORT_EVERY_MS),
  };
  function changed() {
    view.drawPace.hurry();
    view.sortPace.hurry();
    view.moved_ms = -Infinity;
    request();
  }
  function moved() {
    view.drawPace.hurry();
    request();
  }
  listenToSorting(table, view, changed);
  listenToFilter(part, view, changed);
  table.tBodies[1].addEventListener("pointermove", () => (view.moved_ms = performance.now()));
  for (const event of ["scroll", "resize"]) addEventListener(event, moved);
  new ResizeObserver(moved).observe(table.tHead); // it grows with the letters, as the rows do
  palette.onChange(changed);
  return {
    draw(state, now_ms) {
      if (!view.drawPace.isDue(now_ms)) return;
      const entries = entriesOf(state);
      if (view.sortPace.isDue(now_ms)) view.order = nextOrder(view, entries, table, now_ms);
      drawSummary(part, entries, state);
      drawNews(part("news"), state.news.items);
      drawSorting(table, view.sort);
      drawEmpty(part, entries, view.order, state.link);
      fillSparks(rows.draw(view.order, state));
    },
    hurry: changed,
    /** Remember the place in the list: another view is shown. */
    leave: () => (view.scroll_px = scrollY),
    /** Lead back to that place, and to the bike that was looked at; false when it is not listed. */
    comeBack(state, id) {
      view.moved_ms = performance.now(); // the hand is where it was: rows wait for it
      view.drawPace.hurry();
      this.draw(state, view.moved_ms);
      scrollTo(0, view.scroll_px);
      return rows.goTo(id);
    },
  };
}

/** The bikes heard, each with its state: `{bike, kind}`. */
export function entriesOf({ bikes, link }) {
  return heardBikes(bikes).map((bike) => ({ bike, kind: describeBike(bike.id, bike, link).kind }));
}

/** The ids in their order; while a hand is in the list, rows stay where they are. */
function nextOrder(view, entries, table, now_ms) {
  const ids = arrange(entries, view.filter, view.sort).map(({ bike }) => bike.id);
  const hasFocus = table.tBodies[1].contains(document.activeElement);
  const isHeld = hasFocus || now_ms - view.moved_ms < HOLD_MS;
  if (!isHeld) return ids;
  const present = new Set(ids);
  const kept = view.order.filter((id) => present.delete(id));
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
    view.filter = { ...view.filter, words: target.value };
    changed();
  });
  part("find-state").addEventListener("change", ({ target }) => {
    view.filter = { ...view.filter, kind: target.value };
    changed();
  });
}

function drawSorting(table, sort) {
  for (const header of table.tHead.rows[0].cells) {
    const key = header.firstElementChild.dataset.sort;
    const isSorted = key !== undefined && key === sort.key;
    setAttribute(
      header,
      "aria-sort",
      isSorted ? (sort.descends ? "descending" : "ascending") : null,
    );
  }
}

function drawSummary(part, entries, { link, unit }) {
  const online = entries.filter(({ kind }) => kind === "online").map(({ bike }) => bike);
  const isKnown = link.state === "connected";
  setText(
    part("bikes-count"),
    isKnown ? `${online.length} of ${entries.length} online` : "unknown",
  );
  const fastest = best(online, ({ reading }) => reading?.speed_kmh);
  setPick(part("fastest"), fastest, `${speedWord(fastest?.reading, unit)} ${unit.speed}`);
  const emptiest = best(online, ({ reading }) => reading && -reading.battery_pct);
  setPick(part("emptiest"), emptiest, batteryWord(emptiest?.reading));
}

/** The bike with the greatest value; undefined when none has one. */
function best(bikes, value) {
  const judged = bikes.filter((bike) => Number.isFinite(value(bike)));
  if (judged.length === 0) return undefined;
  return judged.reduce((one, other) => (value(other) > value(one) ? other : one));
}

/** Name a bike with its value, as a link to it; a dash when there is none. */
function setPick(element, bike, text) {
  const [anchor, value] = element.children;
  anchor.hidden = !bike;
  if (bike) setAttribute(anchor, "href", hashOfBike(bike.id));
  setText(anchor, bike?.id ?? "");
  setText(value, bike ? text : NONE);
}

function drawNews(list, items) {
  list.parentElement.hidden = items.length === 0;
  const told = items.map(({ id, at_ms }) => `${id}@${at_ms}`).join();
  if (list.dataset.told === told) return;
  list.dataset.told = told;
  list.replaceChildren(...items.map(newsItem));
}

function newsItem({ id, kind, at_ms }) {
  const item = create("li");
  create("time", "", item, clockWord(at_ms));
  create("a", "", item, id).href = hashOfBike(id);
  create("span", "state", item, kind).dataset.kind = kind;
  return item;
}

/** Say why the list is empty, and what to do. */
function drawEmpty(part, entries, order, link) {
  const isNone = entries.length === 0;
  part("nothing").hidden = !isNone || link.state !== "connected";
  part("no-match").hidden = isNone || order.length > 0;
  part("fleet").hidden = isNone;
  part("fleet-head").hidden = isNone;
}
