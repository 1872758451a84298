/** What is known of each bike, from answers, statuses and readings. Pure: no page, no clock. */

const BIKES_MAX = 2_000; // twice what a gateway knows by default: invented ids cannot fill a tab

/**
 * A bike is `{id, online, epoch, model, interval_ms, refused, reading}`; entries are replaced, never
 * changed.
 * @returns {Map<string, object>}
 */
export function createBikes() {
  return new Map();
}

/** Take the answer to a subscription: `{id: {online, cursor, latest}}`. */
export function takeAnswer(bikes, devices) {
  for (const [id, { online, latest }] of Object.entries(devices)) {
    update(bikes, id, { online });
    if (latest) takeReading(bikes, latest);
  }
}

/** Take a `device_status`; `ts_ms` is when the bike was heard last, by its own clock. */
export function takeStatus(bikes, status) {
  const { device_id, online, epoch, model, interval_ms, refused, ts_ms } = status;
  update(bikes, device_id, { online, epoch, model, interval_ms, refused, heard_ms: ts_ms });
}

/** Forget who is online: only a connected gateway can say, and it may be another one by then. */
export function takeDisconnect(bikes) {
  for (const id of bikes.keys()) update(bikes, id, { online: false });
}

/** Take a reading, unless a newer one of its epoch is known: history comes after `latest`. */
export function takeReading(bikes, reading) {
  const known = bikes.get(reading.device_id)?.reading;
  if (known && known.epoch === reading.epoch && known.seq >= reading.seq) return;
  update(bikes, reading.device_id, { reading });
}

/** Whether anything of this bike reached the gateway: a status of one not heard has epoch 0. */
export function isHeard(bike) {
  return Boolean(bike && (bike.online || bike.reading || bike.epoch > 0 || bike.refused));
}

/** The bikes heard, in no order. */
export function heardBikes(bikes) {
  return [...bikes.values()].filter(isHeard);
}

/** The id of the only bike heard; null when there is none, or a choice. */
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
