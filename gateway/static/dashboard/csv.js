/** The names of CSV files, and the texts about them. Pure. */

const SECONDS = "2026-01-31T12:30:00".length;

/** The number of lines that end in a part of a file. */
export function linesIn(text) {
  return text.split("\r\n").length - 1;
}

/** Name a file after the times in its first column: "ebike-001_<first>_to_<last>.csv". */
export function fileName(id, csv) {
  const first = csv.indexOf("\r\n") + 2;
  const last = csv.lastIndexOf("\r\n", csv.length - 3) + 2;
  const [from, to] = [first, last].map((place) => csv.slice(place, csv.indexOf(",", place)));
  return from && to ? `${id}_${timeInName(from)}_to_${timeInName(to)}.csv` : `${id}.csv`;
}

export function fetchingText(id, count) {
  return `Fetching the readings of ${id}: ${count.toLocaleString("en")} so far…`;
}

export function waitingText(id, wait_ms) {
  return `The readings of ${id} are not available yet. This page asks again in ${wait_ms / 1000} s…`;
}

/** The text after the file is saved; `isIncomplete` if an offline bike may have more readings. */
export function savedText(name, count, isIncomplete = false) {
  const saved = `Saved ${name}: ${count.toLocaleString("en")} ${count === 1 ? "reading" : "readings"}`;
  return isIncomplete ? `${saved}. The bike is offline and may keep earlier ones.` : saved;
}

export const NOTHING_THERE = "No file was saved: there are no readings from that time.";

/** The text if there is no file; `detail` is the gateway's reason, if it answered. */
export function failureText(detail) {
  if (detail) return `No file was saved. The gateway says: ${detail}.`;
  return (
    "No file was saved: the gateway does not answer, or it stopped halfway. Try again when this " +
    "page says “Connected”."
  );
}

/** Some systems forbid colons in file names. */
function timeInName(time) {
  return `${time.slice(0, SECONDS).replaceAll(":", "-")}Z`;
}
