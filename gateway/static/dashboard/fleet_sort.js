/** Filter and sort the list of bikes. Pure. */

import { STATE_LABELS } from "./bike_status.js";

const byName = new Intl.Collator("en", { numeric: true });
const STATES = Object.keys(STATE_LABELS);

/** A value that only counts while the bike may be moving: not for an offline bike. */
function current(key) {
  return ({ bike, kind }) =>
    kind === "online" || kind === "unknown" ? bike.reading?.[key] : undefined;
}

/** The columns; `descends` puts the greatest value first at the first press. */
const COLUMNS = Object.freeze({
  name: Object.freeze({ descends: false, value: null }),
  state: Object.freeze({ descends: false, value: ({ kind }) => STATES.indexOf(kind) }),
  speed: Object.freeze({ descends: true, value: current("speed_kmh") }),
  power: Object.freeze({ descends: true, value: current("power_w") }),
  battery: Object.freeze({ descends: false, value: ({ bike }) => bike.reading?.battery_pct }),
});

export const NO_FILTER = Object.freeze({ words: "", kind: "all" });

export const DEFAULT_SORT = Object.freeze({ key: "name", descends: false });

/** The order after a press on a heading: a new column in its own order, the same one reversed. */
export function toggleSort(sort, key) {
  const descends = sort.key === key ? !sort.descends : COLUMNS[key].descends;
  return Object.freeze({ key, descends });
}

/** Parse a saved order, "speed-" or "name+"; anything else gives the default order. */
export function parseSort(text) {
  const key = text?.slice(0, -1);
  return Object.hasOwn(COLUMNS, key ?? "") ? { key, descends: text.endsWith("-") } : DEFAULT_SORT;
}

export function formatSort({ key, descends }) {
  return key + (descends ? "-" : "+");
}

/**
 * Filter and sort entries `{bike, kind}`. All `words` must be in the id or the model; `kind` is a
 * state or "all". Bikes without the value come last in both directions.
 */
export function filterAndSort(entries, { words, kind }, sort) {
  const wanted = words.toLowerCase().split(/\s+/).filter(Boolean);
  const chosen = entries.filter((entry) => matches(entry, wanted, kind));
  const { value } = COLUMNS[sort.key];
  const direction = sort.descends ? -1 : 1;
  const compareNames = (a, b) => byName.compare(a.bike.id, b.bike.id);
  if (value === null) return chosen.sort((a, b) => direction * compareNames(a, b));
  return chosen.sort((a, b) => compareValues(value(a), value(b), direction) || compareNames(a, b));
}

function matches({ bike, kind }, words, wantedKind) {
  if (wantedKind !== "all" && kind !== wantedKind) return false;
  const text = `${bike.id} ${bike.model ?? ""}`.toLowerCase();
  return words.every((word) => text.includes(word));
}

function compareValues(a, b, direction) {
  if (a === undefined || b === undefined) return Number(a === undefined) - Number(b === undefined);
  return direction * (a - b);
}
