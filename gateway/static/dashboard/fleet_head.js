/** The parts above the list of bikes: summary, recent changes, and the number of bikes. */

import { create, setAttribute, setNotice, setState, setText } from "./elements.js";
import { downText, listedText, noMatchText } from "./fleet_texts.js";
import { hashOfBike } from "./route.js";
import { timeText } from "./times.js";
import { batteryText, NONE, speedText } from "./values.js";

const NAMED_MAX = 3; // the others are counted
const HELD = "Order held while you are in the list";

/** Show how many bikes are online, the fastest one, and the one with the lowest battery. */
export function drawSummary(part, entries, { connection, unit }) {
  const online = entries.filter(({ kind }) => kind === "online").map(({ bike }) => bike);
  const isKnown = connection.state === "connected";
  const count = isKnown ? `${online.length} of ${entries.length} online` : `${entries.length}`;
  setText(part("bikes-count"), count);
  const fastest = best(online, ({ reading }) => reading?.speed_kmh);
  setHighlight(part("fastest"), fastest, `${speedText(fastest?.reading, unit)} ${unit.speed}`);
  const emptiest = best(online, ({ reading }) => reading && -reading.battery_pct);
  setHighlight(part("emptiest"), emptiest, batteryText(emptiest?.reading));
}

/** Show the recent changes. The list always has a line, so that nothing below moves. */
export function drawChanges(list, items) {
  const shown = items.map(({ ids, kind, at_ms }) => [kind, ids.length, ids[0], at_ms]).join();
  if (list.dataset.shown === shown) return;
  list.dataset.shown = shown;
  list.replaceChildren(...items.map(changeItem));
  if (items.length === 0) create("li", "quiet", list, "No changes since this page was opened.");
}

/** Mark the column that the list is sorted by. */
export function drawSorting(table, sort) {
  for (const header of table.tHead.rows[0].cells) {
    const isSorted = header.firstElementChild.dataset.sort === sort.key;
    const way = sort.descends ? "descending" : "ascending";
    setAttribute(header, "aria-sort", isSorted ? way : null);
  }
}

/** Show how many bikes are listed, why there are no more, and whether the order is held. */
export function drawListed(part, { filter, order, sort, isHeld }, entries, state) {
  const { connection, isAnswered } = state;
  const isUp = connection.state === "connected";
  const isNone = entries.length === 0;
  setText(part("listed"), listText(filter, order.length, entries.length, state));
  part("listed").classList.toggle("is-down", !isUp);
  const isMoving = sort.key !== "name"; // the order by name does not change
  setNotice(part("held"), isUp && isHeld && isMoving ? HELD : null);
  const isEmpty = !isNone && order.length === 0;
  setNotice(part("no-match"), isEmpty ? noMatchText(filter, connection) : null);
  part("nothing").hidden = !(isNone && isUp && isAnswered);
  for (const id of ["fleet", "fleet-head"]) part(id).hidden = isNone;
}

function listText(filter, listed, total, { connection, down_ms }) {
  if (connection.state !== "connected") return downText(connection, down_ms, total);
  return total === 0 ? "" : listedText(filter, listed, total);
}

/** The bike with the greatest value; undefined if none has a value. */
function best(bikes, value) {
  const judged = bikes.filter((bike) => Number.isFinite(value(bike)));
  if (judged.length === 0) return undefined;
  return judged.reduce((one, other) => (value(other) > value(one) ? other : one));
}

/** Show a bike as a link with its value, or a dash. */
function setHighlight(element, bike, text) {
  const [anchor, value] = element.children;
  anchor.hidden = !bike;
  if (bike) setAttribute(anchor, "href", hashOfBike(bike.id));
  setText(anchor, bike?.id ?? "");
  setText(value, bike ? text : NONE);
}

/** The first bikes as links, and the number of others: "ebike-001, ebike-002 and 7 more". */
function changeItem({ ids, kind, at_ms }) {
  const item = create("li");
  create("time", "", item, timeText(at_ms));
  ids.slice(0, NAMED_MAX).forEach((id, place) => {
    item.append(place === 0 ? " " : ", ");
    create("a", "", item, id).href = hashOfBike(id);
  });
  const more = ids.length - NAMED_MAX;
  item.append(more > 0 ? ` and ${more} more ` : " ");
  setState(create("span", "state", item), kind === "new" ? "online" : kind, kind);
  return item;
}
