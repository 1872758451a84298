/** The parts around both views: connection, notice, window title, and the choice of view. */

import { whyEmpty } from "./bike_state.js";
import { describeBike } from "./bike_status.js";
import { describeConnection, isActive } from "./connection.js";
import { setAttribute, setEnabled, setNotice, setState } from "./elements.js";

/** Show the connection and its buttons. The notice is hidden where the bike's card says the same. */
export function drawConnection(part, { connection, problem, selected, shown }) {
  const { label, notice } = describeConnection(connection);
  const isInCard = selected !== null && !connection.message && whyEmpty(selected, connection, shown) !== null;
  setState(part("link"), connection.state, label);
  setNotice(part("notice"), isInCard ? null : (notice ?? problem));
  setEnabled(part("disconnect"), isActive(connection), part("connect"));
  setEnabled(part("connect"), !isActive(connection), part("disconnect"));
}

/** Show the fleet or the bike; true if the view changed. */
export function drawRoute(part, { selected }) {
  const isBike = selected !== null;
  const isOther = part("bike").hidden === isBike;
  part("bike").hidden = !isBike;
  part("fleet-view").hidden = isBike;
  setAttribute(part("to-fleet"), "aria-current", isBike ? null : "page");
  return isOther;
}

/** The title of the window, for readers who work in another window. */
export function titleOf({ selected, bikes, connection }) {
  if (connection.state === "lost") return "Reconnecting – Spoke";
  if (selected === null) return "Spoke";
  const { kind } = describeBike(selected, bikes.get(selected), connection);
  return kind === "online" ? `${selected} – Spoke` : `${selected} ${kind} – Spoke`;
}

/** The text for screen readers about the connection and the open bike. */
export function stateSentence({ connection, problem, selected, bikes }) {
  const { label, notice } = describeConnection(connection);
  const line = notice ?? problem ?? `${label}.`;
  if (selected === null || connection.state !== "connected") return line;
  const bike = describeBike(selected, bikes.get(selected), connection);
  return `${line} ${selected}: ${bike.label}. ${bike.notice ?? ""}`.trim();
}
