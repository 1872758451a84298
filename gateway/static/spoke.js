/**
 * Follow bikes through lost connections and reloads: cursors and resubscribing over a stock
 * Socket.IO client.
 *
 *   const bikes = follow(io(), { devices: ["ebike-001"], onReading, onGap, onStatus });
 *
 * After the first answer every reading arrives once and in order, or a gap says what is missing.
 */

const ACK_TIMEOUT_MS = 5_000; // a gateway answers within milliseconds: after this it will not

/** Refusals that asking again may end; all others say that the question itself is wrong. */
const PASSING = new Set(["rate_limited", "unavailable", "internal"]);
const ASK_AGAIN_MS = 2_000; // the gateway's allowance is full again within seconds

const ALL = "*";
const BEGINNING = "0-0";
const CURSORS_MAX = 9_999; // a gateway takes 10,000 in one request, and "*" is one of them
const SAVE_AFTER_MS = 1_000; // a page that leaves saves at once; this is for one that crashes

const CURSOR = /^(0|[1-9]\d{0,15})-(0|[1-9]\d{0,15})$/;
const DEVICE_ID = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/;

/** The bikes each socket follows by name: what comes of them is not for the follower of "*". */
const namesFollowed = new WeakMap();

/** What is kept for the follows of this page, so that two of the same do not share a place. */
const placesTaken = new Set();

/**
 * Subscribe now and after each reconnect, there from where the last connection ended.
 *
 * Two follows may share a socket. A bike that one of them names is that one's alone, as the
 * gateway sends it once; so name a bike in one follow at a time, and stop "*" last: that
 * unsubscribes the whole socket.
 *
 * Without `since`, a tab that is reloaded goes on where it was: the cursors are kept in its
 * sessionStorage, for this gateway and these devices, until `stop`. Every tab has its own.
 *
 * @param socket a socket.io-client socket, connected or not
 * @param {object} options
 *   devices: ids, or "*" for all; since: `{id: cursor}` to start after, `{id: "0-0"}` for all
 *   that is held, else from now on; keep: whether a reload goes on where this page was, also if
 *   `since` is given; maxRateHz: the newest reading that often, without gaps and not kept;
 *   onReading, onGap, onStatus: called with what `speed_change`, `gap`, `device_status` carry;
 *   onSubscribed: called with the answer, `{id: {online, cursor, latest}}`, at each connect;
 *   onError: called with `{code, message}` when the gateway refuses; ackTimeoutMs: when to repeat
 *   a question without an answer; askAgainMs: one that was refused for a reason that passes
 * @returns {{cursors: Map<string, string>, stop: () => void}} where each bike's stream is
 */
export function follow(socket, options) {
  const kept = openPlace(socket, options);
  const cursors = new Map(kept.saved ?? Object.entries(options.since ?? {}));
  const names = claimNames(socket, options.devices);
  const question = createQuestion(socket, () => subscribeRequest(options, cursors), {
    ...options,
    onAnswer(devices) {
      startFrom(devices, options.devices, cursors);
      kept.saveSoon(cursors);
      options.onSubscribed?.(devices);
    },
  });
  function move(id, cursor) {
    moveTo(cursors, id, cursor);
    kept.saveSoon(cursors);
  }
  // What comes between a question and its answer belongs to another stream on this socket.
  const hears = ({ device_id }) => question.answered && names.cover(device_id);
  const handlers = {
    connect: question.ask,
    speed_change(reading) {
      if (!hears(reading) || isSeen(reading, cursors.get(reading.device_id))) return;
      move(reading.device_id, `${reading.epoch}-${reading.seq}`);
      options.onReading?.(reading);
    },
    gap(gap) {
      if (!hears(gap)) return;
      move(gap.device_id, oneBefore(gap.before));
      options.onGap?.(gap);
    },
    device_status: (status) => hears(status) && options.onStatus?.(status),
  };
  for (const [event, handler] of Object.entries(handlers)) socket.on(event, handler);
  if (socket.connected) question.ask();
  function stop() {
    for (const [event, handler] of Object.entries(handlers)) socket.off(event, handler);
    question.cancel();
    names.release();
    kept.close();
    if (socket.connected) socket.emit("unsubscribe", { devices: options.devices });
  }
  return { cursors, stop };
}

// --- asking ------------------------------------------------------------------------------------

/** Ask until the gateway answers; a new question makes the answer to an older one void. */
function createQuestion(socket, request, options) {
  const { ackTimeoutMs = ACK_TIMEOUT_MS, askAgainMs = ASK_AGAIN_MS, onAnswer, onError } = options;
  let number = 0;
  const question = { answered: false, ask, cancel: () => (number += 1) };
  function ask() {
    const asked = (number += 1);
    question.answered = false;
    socket.timeout(ackTimeoutMs).emit("subscribe", request(), (timeout, answer) => {
      if (asked !== number || !socket.connected) return;
      if (timeout) return ask();
      question.answered = answer.ok;
      if (answer.ok) return onAnswer(answer.devices);
      if (PASSING.has(answer.error.code)) setTimeout(askAgain, askAgainMs, asked);
      onError?.(answer.error);
    });
  }
  function askAgain(asked) {
    if (asked === number && socket.connected) ask();
  }
  return question;
}

function claimNames(socket, devices) {
  if (!namesFollowed.has(socket)) namesFollowed.set(socket, new Set());
  const named = namesFollowed.get(socket);
  if (devices === ALL) return { cover: (id) => !named.has(id), release() {} };
  const own = new Set(devices);
  for (const id of own) named.add(id);
  return {
    cover: (id) => own.has(id),
    release: () => own.forEach((id) => named.delete(id)),
  };
}

function subscribeRequest({ devices, maxRateHz }, cursors) {
  // A limited stream has no backlog to resume; what it repeats is seen here.
  if (maxRateHz !== undefined) return { devices, max_rate_hz: maxRateHz };
  if (cursors.size === 0) return { devices };
  // fromEntries makes own properties, so that a bike may be called __proto__.
  const since = Object.fromEntries(cursors);
  // Of bikes without a cursor, such as one that appeared while the line was down: all of it.
  return { devices, since: devices === ALL ? { [ALL]: BEGINNING, ...since } : since };
}

// --- cursors -----------------------------------------------------------------------------------

/** Take the positions of the answer, where none is known, so that the next question resumes. */
function startFrom(answered, devices, cursors) {
  if (devices === ALL) cursors.set(ALL, BEGINNING);
  for (const [id, { cursor }] of Object.entries(answered)) {
    if (!cursors.has(id)) moveTo(cursors, id, cursor);
  }
}

/** Set a cursor; when there are too many, the one that moved longest ago is forgotten. */
function moveTo(cursors, id, cursor) {
  cursors.delete(id); // a Map keeps the order of insertion: what moved last stands last
  cursors.set(id, cursor);
  const most = CURSORS_MAX + (cursors.has(ALL) ? 1 : 0);
  if (cursors.size <= most) return;
  for (const oldest of cursors.keys()) {
    if (oldest !== ALL) return cursors.delete(oldest);
  }
}

/** Numbers compare within an epoch only; epochs follow in the order sent. */
function isSeen({ epoch, seq }, cursor = BEGINNING) {
  const [seenEpoch, seenSeq] = numbersOf(cursor);
  return epoch === seenEpoch && seq <= seenSeq;
}

function oneBefore(cursor) {
  const [epoch, seq] = numbersOf(cursor);
  return `${epoch}-${Math.max(seq - 1, 0)}`;
}

function numbersOf(cursor) {
  return cursor.split("-").map(Number);
}

// --- over a reload -----------------------------------------------------------------------------

/**
 * Open the place where the cursors of a follow are kept: one for each gateway and subscription.
 *
 * `saved` is what is there: entries of a Map, or undefined. Where nothing can be kept, because it
 * is not wanted or the browser refuses, nothing is saved, and all else works.
 */
function openPlace(socket, { devices, since, maxRateHz, keep = since === undefined }) {
  const storage = keep && maxRateHz === undefined ? findStorage() : undefined;
  const name = placeName(socket, devices);
  if (storage === undefined || placesTaken.has(name)) return { saveSoon() {}, close() {} };
  placesTaken.add(name);
  const saved = readEntries(storage, name, devices);
  let current, timer;
  function save() {
    clearTimeout(timer);
    timer = undefined;
    if (current !== undefined) writeEntries(storage, name, current);
  }
  // No reading is handed on after this event, unless the page comes back as it was.
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
      // One that was never answered, as React's first of two in development, took nothing from it.
      if (current !== undefined) forget(storage, name);
      placesTaken.delete(name);
    },
  };
}

function placeName(socket, devices) {
  const { uri = "", opts = {} } = socket.io ?? {};
  const gateway = [uri, opts.path ?? "", socket.nsp ?? ""].join(" ");
  return `spoke ${gateway} ${devices === ALL ? ALL : [...devices].sort().join()}`;
}

/** The tab's own storage. A browser told to keep nothing throws when it is merely looked at. */
function findStorage() {
  try {
    return globalThis.sessionStorage ?? undefined;
  } catch {
    return undefined;
  }
}

function writeEntries(storage, name, cursors) {
  try {
    storage.setItem(name, JSON.stringify([...cursors]));
  } catch {
    forget(storage, name); // it is full: no position is better than an old one
  }
}

function forget(storage, name) {
  try {
    storage.removeItem(name);
  } catch {
    // refused altogether: then there is nothing to forget
  }
}

/** The cursors of these devices that were kept here; undefined when there is nothing to use. */
function readEntries(storage, name, devices) {
  const covers = coverage(devices);
  const isGood = ([id, cursor]) => covers(id) && isCursor(cursor);
  try {
    const entries = JSON.parse(storage.getItem(name)).filter(isGood).slice(-CURSORS_MAX);
    return entries.length > 0 ? entries : undefined;
  } catch {
    return undefined; // nothing there, or not what was written here
  }
}

function isCursor(value) {
  if (typeof value !== "string" || !CURSOR.test(value)) return false;
  return numbersOf(value).every(Number.isSafeInteger);
}

function coverage(devices) {
  if (devices === ALL) return (id) => id === ALL || (typeof id === "string" && DEVICE_ID.test(id));
  const names = new Set(devices);
  return (id) => names.has(id);
}
