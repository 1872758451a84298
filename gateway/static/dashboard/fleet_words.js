/** What the fleet says of its list, in words. Pure. */

import { offsetOf } from "./clock.js";
import { clockWord } from "./words.js";

const HEARD_BEFORE = " These are the last readings heard.";
const NOT_KNOWN = " Which bikes there are is not known.";

/** How many bikes are listed, "12 of 200 bikes match". */
export function listedWord(filter, listed, total) {
  const bikes = total === 1 ? "1 bike" : `${total} bikes`;
  if (!isFiltered(filter)) return bikes;
  return `${listed} of ${bikes} ${listed === 1 ? "matches" : "match"}`;
}

/** Why the list stands still while the line to the gateway is down, since `down_ms`. */
export function downWord({ state }, down_ms, total) {
  const time = down_ms === null ? null : clockWord(down_ms);
  const words = {
    connecting: "Connecting…",
    disconnected: `Disconnected since ${time}.`,
    lost: time ? `The gateway has not answered since ${time}.` : "The gateway does not answer.",
    refused: "The gateway refused the connection.",
    closed: `The gateway closed the connection at ${time}.`,
  };
  if (total > 0) return words[state] + HEARD_BEFORE;
  return state === "connecting" ? "" : words[state] + NOT_KNOWN;
}

/** Why no bike is listed although there are some. */
export function noMatchWord({ words, kind }, { state }) {
  const text = words.trim();
  if (state !== "connected" && kind !== "all") {
    return `Without the gateway nobody knows which bikes are ${kind}.`;
  }
  if (text === "") return `No bike is ${kind}.`;
  const bike = kind === "all" ? "bike" : `${kind} bike`;
  return `No ${bike} has “${text}” in its name or model. Clear “Find” to see the others.`;
}

/** When a bike gave its last sign, by the reader's clock; null where it never gave one. */
export function lastSignOf({ heard_ms, reading }, clock) {
  const last_ms = Math.max(heard_ms ?? 0, reading?.ts_ms ?? 0);
  return last_ms === 0 ? null : last_ms + (clock ? offsetOf(clock) : 0);
}

/** When an offline bike was heard last, "14:03:22", or with the day where that is another one. */
export function sinceWord(bike, clock, now_ms) {
  const own_ms = lastSignOf(bike, clock);
  if (own_ms === null) return null;
  const dayOf = (ms) => new Date(ms).toLocaleDateString([], { day: "numeric", month: "short" });
  const day = dayOf(own_ms);
  return day === dayOf(now_ms) ? clockWord(own_ms) : `${day}, ${clockWord(own_ms)}`;
}

function isFiltered({ words, kind }) {
  return words.trim() !== "" || kind !== "all";
}
