/** The address of a view: `#/bikes/<id>` for a bike, anything else for the fleet. Pure. */

export const FLEET_HASH = "#/bikes";

const PREFIX = `${FLEET_HASH}/`;
const DEVICE_ID = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/;

/** The bike's id in a hash; null if it names none. */
export function bikeInHash(hash) {
  const id = hash.startsWith(PREFIX) ? hash.slice(PREFIX.length) : "";
  return DEVICE_ID.test(id) ? id : null;
}

/** Whether a hash names no view; the page then shows the fleet. */
export function isUnknownRoute(hash) {
  return hash !== "" && hash !== FLEET_HASH && bikeInHash(hash) === null;
}

export function hashOfBike(id) {
  return PREFIX + id;
}
