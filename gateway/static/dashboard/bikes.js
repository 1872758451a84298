/** The list of bikes, from answers, statuses and readings. Pure; bounded. */

const BIKES_MAX = 2_000; // twice a gateway's default limit: invented ids cannot fill the memory of a tab

/**
 * A bike is `{id, online, epoch, model, interval_ms, refused, heard_ms, reading}`, frozen: a change
 * replaces the entry.
 * @returns {Map<string, object>}
 */
export function createBikes() {
  return new Map();
}

/** Apply the answer to a subscription: `{id: {online, cursor, latest}}`. */
export function applyAnswer(bikes, devices) {
  for (const [id, { online, latest }] of Object.entries(devices)) {
    update(bikes, id, { online });
    if (latest) applyReading(bikes, latest);
  }
}

/** Apply a `device_status`. Its `ts_ms` is the time of the bike's last message, by the bike's clock. */
export function applyStatus(bikes, status) {
  const { device_id, online, epoch, model, interval_ms, refused, ts_ms } = status;
  update(bikes, device_id, { online, epoch, model, interval_ms, refused, heard_ms: ts_ms });
}

/** Mark all bikes as offline: without a connection their states are not known. */
export function applyDisconnect(bikes) {
  for (const id of bikes.keys()) update(bikes, id, { online: false });
}

/** Apply a reading, unless a newer one of its epoch is known. */
export function applyReading(bikes, reading) {
  const known = bikes.get(reading.device_id)?.reading;
  if (known && known.epoch === reading.epoch && known.seq >= reading.seq) return;
  update(bikes, reading.device_id, { reading });
}

/** Whether the gateway has ever heard from this bike. If not, its status has epoch 0. */
export function isHeard(bike) {
  return Boolean(bike && (bike.online || bike.reading || bike.epoch > 0 || bike.refused));
}

/** The bikes that the gateway has heard from, in no order. */
export function heardBikes(bikes) {
  return [...bikes.values()].filter(isHeard);
}

/** The id of the bike, if the gateway has heard from exactly one; else null. */
export function onlyBike(bikes) {
  const [first, second] = heardBikes(bikes);
  return first && !second ? first.id : null;
}

function update(bikes, id, changes) {
  if (!bikes.has(id) && bikes.size >= BIKES_MAX && !forgetOneOffline(bikes)) return;
  bikes.set(id, Object.freeze({ id, ...bikes.get(id), ...changes }));
}

function forgetOneOffline(bikes) {
  for (const { id, online } of bikes.values()) {
    if (!online) return bikes.delete(id);
  }
  return false;
}
