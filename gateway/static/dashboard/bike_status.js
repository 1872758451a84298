/** The state of a bike, and of its motor, in words. Pure. */

import { isHeard } from "./bikes.js";
import { adviceFor, isPartial } from "./refusals.js";
import { cutOffIn, EU_CUT_OFF_KMH } from "./units.js";

/** Every state with its label, in the order of sorting by state: bikes that need attention first. */
export const STATE_LABELS = Object.freeze({
  refused: "Refused",
  online: "Online",
  unknown: "Unknown", // there is no connection to the gateway
  offline: "Offline",
  unheard: "Not heard",
});

/** Describe the state of a bike: `{kind, label, notice}`; `kind` is a key of `STATE_LABELS`. */
export function describeBike(id, bike, connection) {
  const kind = stateOf(bike, connection);
  return { kind, label: STATE_LABELS[kind], notice: NOTICES[kind]({ ...bike, id }) };
}

function stateOf(bike, connection) {
  if (connection.state !== "connected") return "unknown";
  if (!isHeard(bike)) return "unheard";
  if (bike.refused && !(bike.online && isPartial(bike.refused))) return "refused";
  return bike.online ? "online" : "offline";
}

const NOTICES = {
  unknown: () => null,
  unheard: ({ id }) =>
    `The gateway has not heard from ${id} yet. Its readings will appear here as soon as it sends ` +
    "some. Check its name, and that it is switched on.",
  refused: ({ id, refused }) =>
    `The gateway receives messages from ${id} and refuses them. ${adviceFor(refused)}`,
  online({ id, reading, refused }) {
    if (refused) return `The gateway refuses some readings of ${id}. ${adviceFor(refused)}`;
    return reading ? null : `${id} is online and has not sent a reading yet.`;
  },
  offline({ id, reading }) {
    const shown = reading ? " This page shows its last reading." : "";
    return (
      `${id} is offline: the gateway receives nothing from it.${shown} New readings will appear ` +
      "when it is back."
    );
  },
};

/** Why the page of a bike is empty while there is no connection; null while there is one. */
export function emptyPageText(id, { state }) {
  if (state === "connected" || state === "connecting") return null;
  if (state !== "lost") return `To see the readings of ${id}, connect to the gateway.`;
  return `The readings of ${id} will appear here when the gateway answers.`;
}

/** Describe whether the motor may help: `{label, isCutOff}`; `label` is null if the bike does not say. */
export function describeAssist(reading, unit) {
  if (!reading || (reading.assist === undefined && reading.motor_power_w === undefined)) {
    return { label: null, isCutOff: false };
  }
  const limit = `${cutOffIn(unit)} ${unit.speed}`;
  const isCutOff = reading.speed_kmh >= EU_CUT_OFF_KMH && (reading.motor_power_w ?? 0) <= 0;
  if (isCutOff) return { label: `EU cut-off: no motor above ${limit}`, isCutOff };
  if (reading.assist === "off") return { label: "The motor is switched off", isCutOff };
  return { label: `The motor helps up to ${limit} (EU)`, isCutOff };
}
