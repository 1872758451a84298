/** What a CSV file of readings is called, and what is said of it. Pure. */

const SECONDS = "2026-01-31T12:30:00".length;

/** How many readings a part of a file ends: each line is one, and so is the header. */
export function linesIn(text) {
  return text.split("\r\n").length - 1;
}

/** The name of a file by the times in its first column: "ebike-001_<first>_to_<last>.csv". */
export function fileName(id, csv) {
  const first = csv.indexOf("\r\n") + 2;
  const last = csv.lastIndexOf("\r\n", csv.length - 3) + 2;
  const [from, to] = [first, last].map((place) => csv.slice(place, csv.indexOf(",", place)));
  return from && to ? `${id}_${timeInName(from)}_to_${timeInName(to)}.csv` : `${id}.csv`;
}

/** What to say while it is fetched. */
export function fetchingWord(id, count) {
  return `Fetching the readings of ${id}: ${count.toLocaleString("en")} so far…`;
}

/** What to say while the page waits to ask again. */
export function waitingWord(id, wait_ms) {
  return `The readings of ${id} are not there yet. This page asks again in ${wait_ms / 1000} s…`;
}

/** What to say once it is saved; `isIncomplete` when a bike that is away may keep more. */
export function savedWord(name, count, isIncomplete = false) {
  const saved = `Saved ${name}: ${count.toLocaleString("en")} ${count === 1 ? "reading" : "readings"}`;
  return isIncomplete ? `${saved}. The bike is offline and may keep earlier ones.` : saved;
}

export const NOTHING_THERE = "No file was saved: no readings of that time are kept.";

/** What to say when there is no file, and what to do; `detail` is what the gateway said, if it did. */
export function failureWord(detail) {
  if (detail) return `No file was saved. The gateway says: ${detail}.`;
  return (
    "No file was saved: the gateway does not answer, or stopped half way. Try again once this page " +
    "says “Connected”."
  );
}

/** No colons: not every system lets a file have them in its name. */
function timeInName(time) {
  return `${time.slice(0, SECONDS).replaceAll(":", "-")}Z`;
}
