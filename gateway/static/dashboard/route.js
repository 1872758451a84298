/** What the address shows: `#/bikes/<id>` a bike, all else the fleet. Pure. */

const PREFIX = "#/bikes/";
const DEVICE_ID = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/;

/** The id in a location's hash; null when it names no bike. */
export function bikeInHash(hash) {
  const id = hash.startsWith(PREFIX) ? hash.slice(PREFIX.length) : "";
  return DEVICE_ID.test(id) ? id : null;
}

/** The hash that shows a bike. */
export function hashOfBike(id) {
  return PREFIX + id;
}
