/** Addresses of the gateway's HTTP endpoint for readings. Pure. */

const DEVICES = new URL("../../api/v1/devices/", import.meta.url).href; // below the gateway's own path
const CSV = "format=csv&times=utc";
const POINTS = 1_500; // about one point a pixel; the answer has about 500 kB

/**
 * The readings of a time span, thinned to `points`. The span is in seconds of the reader's clock;
 * the bike's clock is `offset_ms` behind it.
 */
export function historyUrl(id, span, offset_ms, points = POINTS) {
  return `${spanUrl(id, span, offset_ms)}&max_points=${points}`;
}

/** The oldest reading that the gateway or the bike still has. */
export function oldestUrl(id) {
  return `${readingsUrl(id)}?from_ms=0&limit=1`;
}

/** Every reading of a time span, as CSV. */
export function spanCsvUrl(id, span, offset_ms) {
  return `${spanUrl(id, span, offset_ms)}&${CSV}`;
}

/** Every reading that the gateway and the bike still have, as CSV. */
export function allCsvUrl(id) {
  return `${readingsUrl(id)}?from_ms=0&${CSV}`;
}

function spanUrl(id, { from, to }, offset_ms) {
  const from_ms = Math.max(Math.floor(from * 1000 - offset_ms), 0);
  const to_ms = Math.max(Math.ceil(to * 1000 - offset_ms), from_ms);
  return `${readingsUrl(id)}?from_ms=${from_ms}&to_ms=${to_ms}`;
}

function readingsUrl(id) {
  return `${DEVICES}${encodeURIComponent(id)}/readings`;
}
