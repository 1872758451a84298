/** Who came and went: the newest changes in words, for the page and for screen readers. Pure. */

const NEWS_MAX = 5; // what can be taken in at a glance

/** `known` is whether each bike was online when last told. */
export function createNews() {
  return { known: new Map(), items: [] };
}

/**
 * Compare with what was told last; entries are `{bike, kind}`.
 * @returns {string | null} what to say, when somebody came or went
 */
export function noteChanges(news, entries, now_ms) {
  const changes = entries.filter(({ bike, kind }) => isChange(news.known.get(bike.id), kind));
  for (const { bike, kind } of entries) if (kind !== "unknown") news.known.set(bike.id, kind);
  const items = changes.map(({ bike, kind }) => ({ id: bike.id, kind, at_ms: now_ms }));
  news.items = [...items.slice(0, NEWS_MAX), ...news.items].slice(0, NEWS_MAX);
  return items.length === 0 ? null : sentence(items);
}

/** A bike heard for the first time is no change, nor is a line to the gateway that went. */
function isChange(before, kind) {
  return before !== undefined && kind !== "unknown" && before !== kind;
}

function sentence(items) {
  if (items.length > 2) return countSentence(items);
  return items.map(({ id, kind }) => `${id} is ${kind}.`).join(" ");
}

function countSentence(items) {
  const kinds = [...new Set(items.map(({ kind }) => kind))];
  const counts = kinds.map(
    (kind) => `${items.filter((item) => item.kind === kind).length} ${kind}`,
  );
  return `Bikes that changed: ${counts.join(", ")}.`;
}
