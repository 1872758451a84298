/** Texts about the time range of the charts. Pure. */

import { isFollowing } from "./time_range.js";
import { timeText, windowText } from "./times.js";

/** Why the charts show nothing before the `first` reading; empty if nothing is missing. */
export function missingText({ missing, first, connection }) {
  if (missing === "not kept") return `Recording started at ${timeText(first * 1000)}`;
  if (missing === null) return "";
  if (missing === "unanswered") return "The bike did not send its earlier readings in time";
  return connection.state === "connected"
    ? "Loading earlier readings…"
    : "Earlier readings are not loaded";
}

/** Describe the time range of the charts for screen readers. */
export function shownText(viewport) {
  const { range, missing } = viewport;
  const [from, to] = viewport.bounds;
  const span = windowText(to - from);
  const times = `from ${timeText(from * 1000)} to ${timeText(to * 1000)}`;
  const shown = isFollowing(range) ? `the latest ${span}` : `${span}, ${times}`;
  const isFinal = missing === "not kept" || missing === "unanswered";
  return `Showing ${shown}${isFinal ? `. ${missingText(viewport)}` : ""}`;
}
