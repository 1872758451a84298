/** Who came and went: the newest changes in words, for the page and for screen readers. Pure. */

import { lastSignOf } from "./fleet_words.js";
import { EVERYTHING, SORT_DEFAULT, arrange } from "./order.js";

const NEWS_MAX = 5; // what can be taken in at a glance
const MANY = 4; // so many at once are one piece of news
const TOGETHER_MS = 5_000; // what ends together is noticed over some seconds

/**
 * `known` is what each bike was when last told; `isBegun` says that those there were when the page
 * was opened are in it. An item is `{kind, ids, at_ms, told_ms}`, the newest one first.
 */
export function createNews() {
  return { known: new Map(), isBegun: false, items: [] };
}

/**
 * Compare with what was told last; entries are `{bike, kind}`. The first time, nothing is news.
 * @param fleet `{news, clocks}`
 * @returns {string | null} what to say, when somebody came or went
 */
export function noteChanges({ news, clocks }, entries, now_ms) {
  const isKnown = ({ bike, kind }) => kind === "unknown" || news.known.get(bike.id) === kind;
  const changes = arrange(entries, EVERYTHING, SORT_DEFAULT)
    .filter((entry) => !isKnown(entry))
    .map((entry) => changeOf(news, clocks, entry, now_ms));
  for (const { bike, kind } of entries) if (kind !== "unknown") news.known.set(bike.id, kind);
  if (!news.isBegun) {
    news.isBegun = true;
    return null;
  }
  for (const [kind, some] of byKind(changes)) addItems(news, kind, some, now_ms);
  return changes.length === 0 ? null : sentence(changes);
}

/** A bike that goes did so when it gave its last sign, as its row says. */
function changeOf({ known }, clocks, { bike, kind }, now_ms) {
  const { id } = bike;
  const isNew = !known.has(id) && kind === "online";
  const sign_ms = kind === "offline" ? lastSignOf(bike, clocks.get(id)) : null;
  return { id, kind: isNew ? "new" : kind, at_ms: sign_ms ?? now_ms };
}

function addItems(news, kind, changes, now_ms) {
  const ids = changes.map(({ id }) => id);
  const [newest] = news.items;
  const isMore = newest?.kind === kind && now_ms - newest.told_ms < TOGETHER_MS;
  if (isMore && newest.ids.length >= MANY) {
    news.items[0] = { ...newest, ids: [...newest.ids, ...ids], told_ms: now_ms };
    return;
  }
  const groups = changes.length >= MANY ? [ids] : ids.map((id) => [id]);
  const items = groups.map((some, place) => {
    return { kind, ids: some, at_ms: changes[place].at_ms, told_ms: now_ms };
  });
  news.items = [...items, ...news.items].slice(0, NEWS_MAX);
}

function byKind(changes) {
  const kinds = new Set(changes.map(({ kind }) => kind));
  return [...kinds].map((kind) => [kind, changes.filter((change) => change.kind === kind)]);
}

function sentence(changes) {
  if (changes.length > 2) return countSentence(changes);
  return changes.map(({ id, kind }) => `${id} is ${kind}.`).join(" ");
}

function countSentence(changes) {
  const counts = byKind(changes).map(([kind, some]) => `${some.length} ${kind}`);
  return `Bikes that changed: ${counts.join(", ")}.`;
}
