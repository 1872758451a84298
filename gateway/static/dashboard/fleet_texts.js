/** Texts of the list of bikes. Pure. */

import { offsetOf } from "./clock_offset.js";
import { listLine } from "./connection.js";
import { momentText, timeText } from "./times.js";

const LAST_READINGS = " The list shows the last readings received.";
const NO_BIKES_KNOWN = " This page does not know yet which bikes there are.";

/** How many bikes are listed: "12 of 200 bikes match". */
export function listedText(filter, listed, total) {
  const bikes = total === 1 ? "1 bike" : `${total} bikes`;
  if (!isFiltered(filter)) return bikes;
  return `${listed} of ${bikes} ${listed === 1 ? "matches" : "match"}`;
}

/** Why the list does not change while there is no connection, since `down_ms`. */
export function downText(connection, down_ms, total) {
  const line = listLine(connection, down_ms === null ? null : timeText(down_ms));
  if (total > 0) return line + LAST_READINGS;
  return connection.state === "connecting" ? "" : line + NO_BIKES_KNOWN;
}

/** Why the list is empty although there are bikes. */
export function noMatchText({ words, kind }, { state }) {
  const text = words.trim();
  if (state !== "connected" && kind !== "all") {
    return `Without a connection to the gateway, this page does not know which bikes are ${kind}.`;
  }
  if (text === "") return `No bike is ${kind}.`;
  const bike = kind === "all" ? "bike" : `${kind} bike`;
  return `No ${bike} has “${text}” in its name or model. Clear “Find” to see the others.`;
}

/** When the gateway last heard from a bike, by the reader's clock in ms; null if never. */
export function lastHeardMs({ heard_ms, reading }, clock) {
  const last_ms = Math.max(heard_ms ?? 0, reading?.ts_ms ?? 0);
  return last_ms === 0 ? null : last_ms + (clock ? offsetOf(clock) : 0);
}

/** Since when a bike is offline: "14:03:22", with the day if it is not today. */
export function sinceText(bike, clock, now_ms) {
  const last_ms = lastHeardMs(bike, clock);
  return last_ms === null ? null : momentText(last_ms, now_ms);
}

function isFiltered({ words, kind }) {
  return words.trim() !== "" || kind !== "all";
}
