/** The frame around the views: the line to the gateway, the choices, and which view is shown. */

import { whyNotHere } from "./bike_state.js";
import { setAttribute, setEnabled, setNotice, setState } from "./elements.js";
import { describeLink, isWanted } from "./link.js";
import { describeBike } from "./words.js";

/** Show the line to the gateway, and what can be done about it; once, where a bike's card says it. */
export function drawLink(part, { link, problem, selected, shown }) {
  const { label, notice } = describeLink(link);
  const isInCard = selected !== null && !link.message && whyNotHere(selected, link, shown) !== null;
  setState(part("link"), link.state, label);
  setNotice(part("notice"), isInCard ? null : (notice ?? problem));
  setEnabled(part("disconnect"), isWanted(link), part("connect"));
  setEnabled(part("connect"), !isWanted(link), part("disconnect"));
}

/** Show the fleet or the bike, one of them; true when it is another one than before. */
export function drawRoute(part, { selected }) {
  const isBike = selected !== null;
  const isOther = part("bike").hidden === isBike;
  part("bike").hidden = !isBike;
  part("fleet-view").hidden = isBike;
  setAttribute(part("to-fleet"), "aria-current", isBike ? null : "page");
  return isOther;
}

/** The title of the window: what somebody who works elsewhere has to see. */
export function titleOf({ selected, bikes, link }) {
  if (link.state === "lost") return "Reconnecting – Spoke";
  if (selected === null) return "Spoke";
  const { kind } = describeBike(selected, bikes.get(selected), link);
  return kind === "online" ? `${selected} – Spoke` : `${selected} ${kind} – Spoke`;
}

/** What to tell screen readers of the line and of the bike shown; one text, compared with the last. */
export function stateSentence({ link, problem, selected, bikes }) {
  const { label, notice } = describeLink(link);
  const line = notice ?? problem ?? `${label}.`;
  if (selected === null || link.state !== "connected") return line;
  const bike = describeBike(selected, bikes.get(selected), link);
  return `${line} ${selected}: ${bike.label}. ${bike.notice ?? ""}`.trim();
}
