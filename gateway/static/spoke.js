/**
 * Follow bikes through lost connections and reloads, with any stock Socket.IO client.
 *
 *   const bikes = follow(io(), { devices: ["ebike-001"], onReading, onGap, onStatus });
 *
 * How it works. For each bike this module keeps a cursor: the position of the last reading. After
 * each connect it subscribes from these cursors, and the gateway sends everything after them. From
 * the first answer on, every reading arrives once and in order; a gap reports readings that are lost.
 *
 * A gateway may have a path, such as https://example.org/spoke/. `io` takes a path for a namespace, so
 * `gatewayAt` splits the URL: `io(...gatewayAt("https://example.org/spoke/"))`.
 */

const ACK_TIMEOUT_MS = 5_000; // a gateway answers within milliseconds, or not at all

/** Errors for which the same request may succeed later; all others mean that the request is wrong. */
const RETRYABLE = new Set(["rate_limited", "unavailable", "internal"]);
const ASK_AGAIN_MS = 2_000; // the gateway's rate limit recovers within seconds

const ALL = "*";
const BEGINNING = "0-0";
const CURSORS_MAX = 9_999; // a gateway accepts 10,000 in one request, and "*" is one of them
const SAVE_AFTER_MS = 1_000; // a page that is closed saves at once; this is for crashes

const CURSOR = /^(0|[1-9]\d{0,15})-(0|[1-9]\d{0,15})$/;
const DEVICE_ID = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/;

/** The bikes followed by name, for each socket: a follower of "*" ignores them. */
const devicesBySocket = new WeakMap();

/** The storage keys in use on this page: two equal follows must not share one. */
const keysInUse = new Set();

/**
 * The arguments of `io` for the gateway at a URL, which may have a path and may be relative to the page.
 *
 * @param {string | URL} url
 * @param {object} options more options for `io`
 * @returns {[string, object]} the origin, and the options with the `path`
 */
export function gatewayAt(url, options = {}) {
  const { origin, pathname } = new URL(url, globalThis.location?.href);
  return [origin, { ...options, path: `${pathname.replace(/\/+$/, "")}/socket.io` }];
}

/**
 * Subscribe now and after each reconnect; continue after the last reading.
 *
 * Two follows may share a socket. The gateway sends each bike once, so a bike that one follow names
 * goes to that follow only: name a bike in one follow at a time. Stop "*" last, because that
 * unsubscribes the whole socket.
 *
 * Without `since`, a reloaded tab continues where it was: the cursors are saved in its sessionStorage,
 * for this gateway and these devices, until `stop`. Every tab has its own.
 *
 * @param socket a socket.io-client socket, connected or not
 * @param {object} options
 *   devices: ids, or "*" for all;
 *   since: `{id: cursor}` to start after, `{id: "0-0"}` for everything the gateway has; without it,
 *     from now on;
 *   keep: whether a reload continues where this page was, also with `since`;
 *   maxRateHz: only the newest reading, at most this often; without gaps, and nothing is saved;
 *   onReading, onGap, onStatus: called with the data of `speed_change`, `gap`, `device_status`;
 *   onSubscribed: called with the answer, `{id: {online, cursor, latest}}`, after each connect;
 *   onError: called with `{code, message}` if the gateway refuses;
 *   ackTimeoutMs: when to repeat a request without an answer;
 *   askAgainMs: when to repeat a request that may succeed later
 * @returns {{cursors: Map<string, string>, stop: () => void}} the cursor of each bike
 */
export function follow(socket, options) {
  const store = openStore(socket, options);
  const cursors = new Map(store.saved ?? Object.entries(options.since ?? {}));
  const claim = claimDevices(socket, options.devices);
  const subscription = createSubscription(socket, () => subscribeRequest(options, cursors), {
    ...options,
    onAnswer(devices) {
      addStartCursors(devices, options.devices, cursors);
      store.saveSoon(cursors);
      options.onSubscribed?.(devices);
    },
  });
  function move(id, cursor) {
    setCursor(cursors, id, cursor);
    store.saveSoon(cursors);
  }
  // Events between a request and its answer belong to an earlier subscription of this socket.
  const isOurs = ({ device_id }) => subscription.isAnswered && claim.covers(device_id);
  const handlers = {
    connect: subscription.request,
    speed_change(reading) {
      if (!isOurs(reading) || isSeen(reading, cursors.get(reading.device_id))) return;
      move(reading.device_id, `${reading.epoch}-${reading.seq}`);
      options.onReading?.(reading);
    },
    gap(gap) {
      if (!isOurs(gap)) return;
      move(gap.device_id, cursorBefore(gap.before));
      options.onGap?.(gap);
    },
    device_status: (status) => isOurs(status) && options.onStatus?.(status),
  };
  for (const [event, handler] of Object.entries(handlers)) socket.on(event, handler);
  if (socket.connected) subscription.request();
  function stop() {
    for (const [event, handler] of Object.entries(handlers)) socket.off(event, handler);
    subscription.cancel();
    claim.release();
    store.close();
    if (socket.connected) socket.emit("unsubscribe", { devices: options.devices });
  }
  return { cursors, stop };
}

// --- subscribing -------------------------------------------------------------------------------

/** Request until the gateway answers. A new request makes the answer to an older one void. */
function createSubscription(socket, makeRequest, options) {
  const { ackTimeoutMs = ACK_TIMEOUT_MS, askAgainMs = ASK_AGAIN_MS, onAnswer, onError } = options;
  let latest = 0;
  const subscription = { isAnswered: false, request, cancel: () => (latest += 1) };
  function request() {
    const number = (latest += 1);
    subscription.isAnswered = false;
    socket.timeout(ackTimeoutMs).emit("subscribe", makeRequest(), (timeout, answer) => {
      if (number !== latest || !socket.connected) return;
      if (timeout) return request();
      subscription.isAnswered = answer.ok;
      if (answer.ok) return onAnswer(answer.devices);
      if (RETRYABLE.has(answer.error.code)) setTimeout(repeat, askAgainMs, number);
      onError?.(answer.error);
    });
  }
  function repeat(number) {
    if (number === latest && socket.connected) request();
  }
  return subscription;
}

/** Claim the bikes that a follow names; "*" covers all bikes that no other follow names. */
function claimDevices(socket, devices) {
  if (!devicesBySocket.has(socket)) devicesBySocket.set(socket, new Set());
  const named = devicesBySocket.get(socket);
  if (devices === ALL) return { covers: (id) => !named.has(id), release() {} };
  const own = new Set(devices);
  for (const id of own) named.add(id);
  return {
    covers: (id) => own.has(id),
    release: () => own.forEach((id) => named.delete(id)),
  };
}

function subscribeRequest({ devices, maxRateHz }, cursors) {
  // A stream with a rate cannot resume; `isSeen` drops readings that it repeats.
  if (maxRateHz !== undefined) return { devices, max_rate_hz: maxRateHz };
  if (cursors.size === 0) return { devices };
  // fromEntries makes own properties, so that a bike may be called __proto__.
  const since = Object.fromEntries(cursors);
  // "*" requests every reading of bikes without a cursor, which appeared during a lost connection.
  return { devices, since: devices === ALL ? { [ALL]: BEGINNING, ...since } : since };
}

// --- cursors -----------------------------------------------------------------------------------

/** Add the cursors of the answer for bikes that have none, so that the next request resumes. */
function addStartCursors(answered, devices, cursors) {
  if (devices === ALL) cursors.set(ALL, BEGINNING);
  for (const [id, { cursor }] of Object.entries(answered)) {
    if (!cursors.has(id)) setCursor(cursors, id, cursor);
  }
}

/** Set a cursor; if there are too many, delete the one that was set longest ago. */
function setCursor(cursors, id, cursor) {
  cursors.delete(id); // a Map keeps the order of insertion: the newest cursor is last
  cursors.set(id, cursor);
  const most = CURSORS_MAX + (cursors.has(ALL) ? 1 : 0);
  if (cursors.size <= most) return;
  for (const oldest of cursors.keys()) {
    if (oldest !== ALL) return cursors.delete(oldest);
  }
}

/** Sequence numbers compare within one epoch only; epochs arrive in the order sent. */
function isSeen({ epoch, seq }, cursor = BEGINNING) {
  const [seenEpoch, seenSeq] = parseCursor(cursor);
  return epoch === seenEpoch && seq <= seenSeq;
}

function cursorBefore(cursor) {
  const [epoch, seq] = parseCursor(cursor);
  return `${epoch}-${Math.max(seq - 1, 0)}`;
}

function parseCursor(cursor) {
  return cursor.split("-").map(Number);
}

// --- surviving a reload ------------------------------------------------------------------------

/**
 * Open the saved cursors of a follow: one entry for each gateway and list of devices.
 *
 * `saved` holds the entries of a Map, or undefined. If saving is not wanted, or the browser refuses,
 * nothing is saved and everything else works.
 */
function openStore(socket, { devices, since, maxRateHz, keep = since === undefined }) {
  const storage = keep && maxRateHz === undefined ? findStorage() : undefined;
  const key = storageKey(socket, devices);
  if (storage === undefined || keysInUse.has(key)) return { saveSoon() {}, close() {} };
  keysInUse.add(key);
  const saved = readEntries(storage, key, devices);
  let current, timer;
  function save() {
    clearTimeout(timer);
    timer = undefined;
    if (current !== undefined) writeEntries(storage, key, current);
  }
  // After this event the page gets no readings, unless the browser restores the page as it was.
  globalThis.addEventListener?.("pagehide", save);
  return {
    saved,
    saveSoon(cursors) {
      current = cursors;
      timer ??= setTimeout(save, SAVE_AFTER_MS);
    },
    close() {
      clearTimeout(timer);
      globalThis.removeEventListener?.("pagehide", save);
      // A follow that was never answered, such as React's extra first one in development, leaves
      // the entry to its successor.
      if (current !== undefined) removeEntries(storage, key);
      keysInUse.delete(key);
    },
  };
}

function storageKey(socket, devices) {
  const { uri = "", opts = {} } = socket.io ?? {};
  const gateway = [uri, opts.path ?? "", socket.nsp ?? ""].join(" ");
  return `spoke ${gateway} ${devices === ALL ? ALL : [...devices].sort().join()}`;
}

/** The tab's storage. If the reader forbids storage, even reading the property throws. */
function findStorage() {
  try {
    return globalThis.sessionStorage ?? undefined;
  } catch {
    return undefined;
  }
}

function writeEntries(storage, key, cursors) {
  try {
    storage.setItem(key, JSON.stringify([...cursors]));
  } catch {
    removeEntries(storage, key); // it is full: no position is better than an old one
  }
}

function removeEntries(storage, key) {
  try {
    storage.removeItem(key);
  } catch {
    // storage is forbidden: there is nothing to remove
  }
}

/** Read the saved cursors of these devices; undefined if there are none. */
function readEntries(storage, key, devices) {
  const covers = deviceFilter(devices);
  const isValid = ([id, cursor]) => covers(id) && isCursor(cursor);
  try {
    const entries = JSON.parse(storage.getItem(key)).filter(isValid).slice(-CURSORS_MAX);
    return entries.length > 0 ? entries : undefined;
  } catch {
    return undefined; // no entry, or something else wrote it
  }
}

function isCursor(value) {
  if (typeof value !== "string" || !CURSOR.test(value)) return false;
  return parseCursor(value).every(Number.isSafeInteger);
}

function deviceFilter(devices) {
  if (devices === ALL) return (id) => id === ALL || (typeof id === "string" && DEVICE_ID.test(id));
  const names = new Set(devices);
  return (id) => names.has(id);
}
