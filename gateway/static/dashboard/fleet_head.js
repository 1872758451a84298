/** What stands over the list of bikes: what all do, who came and went, and what is listed. */

import { create, setAttribute, setNotice, setState, setText } from "./elements.js";
import { downWord, listedWord, noMatchWord } from "./fleet_words.js";
import { hashOfBike } from "./route.js";
import { NONE, batteryWord, clockWord, speedWord } from "./words.js";

const NAMED_MAX = 3; // the others are counted
const HELD = "Order held while you are in the list";

/** Show how many are online, which is the fastest, and which needs its battery charged. */
export function drawSummary(part, entries, { link, unit }) {
  const online = entries.filter(({ kind }) => kind === "online").map(({ bike }) => bike);
  const isKnown = link.state === "connected";
  const count = isKnown ? `${online.length} of ${entries.length} online` : `${entries.length}`;
  setText(part("bikes-count"), count);
  const fastest = best(online, ({ reading }) => reading?.speed_kmh);
  setPick(part("fastest"), fastest, `${speedWord(fastest?.reading, unit)} ${unit.speed}`);
  const emptiest = best(online, ({ reading }) => reading && -reading.battery_pct);
  setPick(part("emptiest"), emptiest, batteryWord(emptiest?.reading));
}

/** Show the newest changes; there is a line for them from the beginning, so that nothing moves. */
export function drawNews(list, items) {
  const told = items.map(({ ids, kind, at_ms }) => [kind, ids.length, ids[0], at_ms]).join();
  if (list.dataset.told === told) return;
  list.dataset.told = told;
  list.replaceChildren(...items.map(newsItem));
  if (items.length === 0) create("li", "quiet", list, "No bike came or went.");
}

/** Show by what the list is sorted. */
export function drawSorting(table, sort) {
  for (const header of table.tHead.rows[0].cells) {
    const isSorted = header.firstElementChild.dataset.sort === sort.key;
    const way = sort.descends ? "descending" : "ascending";
    setAttribute(header, "aria-sort", isSorted ? way : null);
  }
}

/** Say what is listed, why no more, and whether its order is held. */
export function drawListed(part, { filter, order, sort, isHeld }, entries, state) {
  const { link, isAnswered } = state;
  const isUp = link.state === "connected";
  const isNone = entries.length === 0;
  setText(part("listed"), listWord(filter, order.length, entries.length, state));
  part("listed").classList.toggle("is-down", !isUp);
  const isMoving = sort.key !== "name"; // names do not change places
  setNotice(part("held"), isUp && isHeld && isMoving ? HELD : null);
  const isEmpty = !isNone && order.length === 0;
  setNotice(part("no-match"), isEmpty ? noMatchWord(filter, link) : null);
  part("nothing").hidden = !(isNone && isUp && isAnswered);
  for (const id of ["fleet", "fleet-head"]) part(id).hidden = isNone;
}

function listWord(filter, listed, total, { link, down_ms }) {
  if (link.state !== "connected") return downWord(link, down_ms, total);
  return total === 0 ? "" : listedWord(filter, listed, total);
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

/** The first bikes by name, as links, and how many more: "ebike-001, ebike-002 and 7 more". */
function newsItem({ ids, kind, at_ms }) {
  const item = create("li");
  create("time", "", item, clockWord(at_ms));
  ids.slice(0, NAMED_MAX).forEach((id, place) => {
    item.append(place === 0 ? " " : ", ");
    create("a", "", item, id).href = hashOfBike(id);
  });
  const more = ids.length - NAMED_MAX;
  item.append(more > 0 ? ` and ${more} more ` : " ");
  setState(create("span", "state", item), kind === "new" ? "online" : kind, kind);
  return item;
}
