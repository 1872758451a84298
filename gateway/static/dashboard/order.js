/** Which bikes the fleet shows, and in what order. Pure. */

const byName = new Intl.Collator("en", { numeric: true });
const STATES = ["refused", "online", "unknown", "offline", "unheard"]; // what needs a hand, first

/** A value of now: the last one of a bike that is gone says nothing of how fast it is. */
function moving(key) {
  return ({ bike, kind }) =>
    kind === "online" || kind === "unknown" ? bike.reading?.[key] : undefined;
}

/** What bikes can be sorted by; `descends` says that the greatest comes first at the first press. */
export const SORTS = Object.freeze({
  name: Object.freeze({ descends: false, value: null }),
  state: Object.freeze({ descends: false, value: ({ kind }) => STATES.indexOf(kind) }),
  speed: Object.freeze({ descends: true, value: moving("speed_kmh") }),
  power: Object.freeze({ descends: true, value: moving("power_w") }),
  battery: Object.freeze({ descends: false, value: ({ bike }) => bike.reading?.battery_pct }),
});

/** The filter that leaves out nothing. */
export const EVERYTHING = Object.freeze({ words: "", kind: "all" });

export const SORT_DEFAULT = Object.freeze({ key: "name", descends: false });

/** The order after a press on a column: another column its own way, the same one turned round. */
export function pressed(sort, key) {
  const descends = sort.key === key ? !sort.descends : SORTS[key].descends;
  return Object.freeze({ key, descends });
}

/** The order remembered as "speed-" or "name+", or the default one. */
export function sortOf(word) {
  const key = word?.slice(0, -1);
  return Object.hasOwn(SORTS, key ?? "") ? { key, descends: word.endsWith("-") } : SORT_DEFAULT;
}

export function sortWord({ key, descends }) {
  return key + (descends ? "-" : "+");
}

/**
 * Choose and sort entries `{bike, kind}`. `words` have to be in the id or the model, all of them; `kind`
 * is a state or "all". Bikes without the value come last, whichever way it goes.
 */
export function arrange(entries, { words, kind }, sort) {
  const wanted = words.toLowerCase().split(/\s+/).filter(Boolean);
  const chosen = entries.filter((entry) => isWanted(entry, wanted, kind));
  const { value } = SORTS[sort.key];
  const way = sort.descends ? -1 : 1;
  const compareNames = (a, b) => byName.compare(a.bike.id, b.bike.id);
  if (value === null) return chosen.sort((a, b) => way * compareNames(a, b));
  return chosen.sort((a, b) => compareValues(value(a), value(b), way) || compareNames(a, b));
}

function isWanted({ bike, kind }, words, wantedKind) {
  if (wantedKind !== "all" && kind !== wantedKind) return false;
  const text = `${bike.id} ${bike.model ?? ""}`.toLowerCase();
  return words.every((word) => text.includes(word));
}

function compareValues(a, b, way) {
  if (a === undefined || b === undefined) return Number(a === undefined) - Number(b === undefined);
  return way * (a - b);
}
