/** Recent changes in the fleet: bikes that appeared, went offline or came back. Pure; bounded. */

import { DEFAULT_SORT, filterAndSort, NO_FILTER } from "./fleet_sort.js";
import { lastHeardMs } from "./fleet_texts.js";

const ITEMS_MAX = 5; // as many as one sees at a glance
const MANY = 4; // this many simultaneous changes become one item
const TOGETHER_MS = 5_000; // the gateway notices simultaneous ends within seconds of each other

/**
 * `known` is the last reported state of each bike; `isBegun` means that it contains the bikes there
 * were when the page opened. An item is `{kind, ids, at_ms, reported_ms}`, the newest first.
 */
export function createChanges() {
  return { known: new Map(), isBegun: false, items: [] };
}

/**
 * Compare with the last reported states. The first call reports nothing.
 * @param fleet `{changes, clocks}`
 * @param entries `{bike, kind}` of all bikes
 * @returns {string | null} a sentence for screen readers; null if nothing changed
 */
export function recordChanges({ changes, clocks }, entries, now_ms) {
  const isKnown = ({ bike, kind }) => kind === "unknown" || changes.known.get(bike.id) === kind;
  const found = filterAndSort(entries, NO_FILTER, DEFAULT_SORT)
    .filter((entry) => !isKnown(entry))
    .map((entry) => changeOf(changes, clocks, entry, now_ms));
  for (const { bike, kind } of entries) if (kind !== "unknown") changes.known.set(bike.id, kind);
  if (!changes.isBegun) {
    changes.isBegun = true;
    return null;
  }
  for (const [kind, some] of byKind(found)) addItems(changes, kind, some, now_ms);
  return found.length === 0 ? null : sentence(found);
}

/** A bike that goes offline did so at its last message, as its row says. */
function changeOf({ known }, clocks, { bike, kind }, now_ms) {
  const { id } = bike;
  const isNew = !known.has(id) && kind === "online";
  const heard_ms = kind === "offline" ? lastHeardMs(bike, clocks.get(id)) : null;
  return { id, kind: isNew ? "new" : kind, at_ms: heard_ms ?? now_ms };
}

function addItems(changes, kind, found, now_ms) {
  const ids = found.map(({ id }) => id);
  const [newest] = changes.items;
  const isMore = newest?.kind === kind && now_ms - newest.reported_ms < TOGETHER_MS;
  if (isMore && newest.ids.length >= MANY) {
    changes.items[0] = { ...newest, ids: [...newest.ids, ...ids], reported_ms: now_ms };
    return;
  }
  const groups = found.length >= MANY ? [ids] : ids.map((id) => [id]);
  const items = groups.map((some, place) => {
    return { kind, ids: some, at_ms: found[place].at_ms, reported_ms: now_ms };
  });
  changes.items = [...items, ...changes.items].slice(0, ITEMS_MAX);
}

function byKind(found) {
  const kinds = new Set(found.map(({ kind }) => kind));
  return [...kinds].map((kind) => [kind, found.filter((change) => change.kind === kind)]);
}

function sentence(found) {
  if (found.length > 2) return countSentence(found);
  return found.map(({ id, kind }) => `${id} is ${kind}.`).join(" ");
}

function countSentence(found) {
  const counts = byKind(found).map(([kind, some]) => `${some.length} ${kind}`);
  return `Bikes that changed: ${counts.join(", ")}.`;
}
