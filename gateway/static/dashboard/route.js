/** What the address shows: `#/bikes/<id>` a bike, all else the fleet. Pure. */

export const FLEET_HASH = "#/bikes";

const PREFIX = `${FLEET_HASH}/`;
const DEVICE_ID = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/;

/** The id in a location's hash; null when it names no bike. */
export function bikeInHash(hash) {
  const id = hash.startsWith(PREFIX) ? hash.slice(PREFIX.length) : "";
  return DEVICE_ID.test(id) ? id : null;
}

/** Whether a hash names nothing there is: what is shown then is the fleet, under another address. */
export function isAstray(hash) {
  return hash !== "" && hash !== FLEET_HASH && bikeInHash(hash) === null;
}

/** The hash that shows a bike. */
export function hashOfBike(id) {
  return PREFIX + id;
}
