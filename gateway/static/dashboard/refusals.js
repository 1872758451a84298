/** Why the gateway refuses the readings of a bike, and how to fix it. Pure. */

const CHECK = "To find the fault, run “.venv/bin/python -m device.check ENDPOINT”.";

/**
 * The values of `refused` in `device_status`. `isPartial` marks reasons for which the gateway may
 * accept other readings of the same bike; for all others it accepts none.
 */
const REFUSALS = Object.freeze({
  old_epoch: {
    isPartial: true,
    advice:
      "Its numbering went back: another device took over this id, two bikes use it, or its clock " +
      "was set back. Give each bike an id of its own. A single bike is accepted after 10 s.",
  },
  future_epoch: {
    isPartial: true,
    advice:
      "Its numbering is more than a day ahead of the gateway's clock. Set the bike's clock, and " +
      "restart the bike.",
  },
  far_seq: {
    isPartial: true,
    advice:
      "Its numbers jumped ahead by more than a million. Start the bike again: it then counts from 1.",
  },
  unsupported_version: {
    isPartial: true,
    advice: "It uses another version of the protocol. Update the bike's program, or the gateway.",
  },
  invalid: {
    isPartial: false,
    advice: `In its readings a value is missing, has a wrong type or is out of range. ${CHECK}`,
  },
  seq_back: {
    isPartial: false,
    advice:
      "Its numbers go back or do not increase. Its first reading must have the number 1, and each " +
      `further one the next number. ${CHECK}`,
  },
  conflict: {
    isPartial: false,
    advice:
      "Two publishers use this id at the same time. Stop one of them, or give it an id of its own.",
  },
});

/** The cause and the fix. A reason that this page does not know is shown as it is. */
export function adviceFor(reason) {
  if (Object.hasOwn(REFUSALS, reason)) return REFUSALS[reason].advice;
  return `The reason is: ${reason.replaceAll("_", " ")}. ${CHECK}`;
}

/** Whether the gateway may accept other readings of a bike that it refuses for this reason. */
export function isPartial(reason) {
  return Object.hasOwn(REFUSALS, reason) && REFUSALS[reason].isPartial;
}
