/**
 * Follow bikes through lost connections: cursors and resubscribing over a stock Socket.IO client.
 *
 *   const bikes = follow(io(), { devices: ["ebike-001"], onReading, onGap, onStatus });
 *
 * After the first answer every reading arrives once and in order, or a gap says what is missing.
 */

const ACK_TIMEOUT_MS = 5_000; // a gateway answers within milliseconds: after this it will not

/** Refusals that asking again may end; all others say that the question itself is wrong. */
const PASSING = new Set(["rate_limited", "unavailable", "internal"]);
const ASK_AGAIN_MS = 2_000; // the gateway's allowance is full again within seconds

/** The bikes each socket follows by name: what comes of them is not for the follower of "*". */
const namesFollowed = new WeakMap();

/**
 * Subscribe now and after each reconnect, there from where the last connection ended.
 *
 * Two follows may share a socket. A bike that one of them names is that one's alone, as the
 * gateway sends it once; so name a bike in one follow at a time, and stop "*" last: that
 * unsubscribes the whole socket.
 *
 * @param socket a socket.io-client socket, connected or not
 * @param {object} options
 *   devices: ids, or "*" for all; since: `{id: cursor}` to start after, `{id: "0-0"}` for all
 *   that is held, else from now on; maxRateHz: the newest reading that often, without gaps;
 *   onReading, onGap, onStatus: called with what `speed_change`, `gap`, `device_status` carry;
 *   onSubscribed: called with the answer, `{id: {online, cursor, latest}}`, at each connect;
 *   onError: called with `{code, message}` when the gateway refuses; ackTimeoutMs: when to repeat
 *   a question without an answer; askAgainMs: one that was refused for a reason that passes
 * @returns {{cursors: Map<string, string>, stop: () => void}} where each bike's stream is
 */
export function follow(socket, options) {
  const cursors = new Map(Object.entries(options.since ?? {}));
  const names = claimNames(socket, options.devices);
  const question = createQuestion(socket, () => subscribeRequest(options, cursors), {
    ...options,
    onAnswer(devices) {
      startFrom(devices, options.devices, cursors);
      options.onSubscribed?.(devices);
    },
  });
  // What comes between a question and its answer belongs to another stream on this socket.
  const hears = ({ device_id }) => question.answered && names.cover(device_id);
  const handlers = {
    connect: question.ask,
    speed_change(reading) {
      if (!hears(reading) || isSeen(reading, cursors.get(reading.device_id))) return;
      cursors.set(reading.device_id, `${reading.epoch}-${reading.seq}`);
      options.onReading?.(reading);
    },
    gap(gap) {
      if (!hears(gap)) return;
      cursors.set(gap.device_id, oneBefore(gap.before));
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
    if (socket.connected) socket.emit("unsubscribe", { devices: options.devices });
  }
  return { cursors, stop };
}

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
  if (devices === "*") return { cover: (id) => !named.has(id), release() {} };
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
  // fromEntries makes own properties, so that a bike may be called __proto__.
  return cursors.size > 0 ? { devices, since: Object.fromEntries(cursors) } : { devices };
}

/** Take the positions of the answer, where none is known, so that the next question resumes. */
function startFrom(answered, devices, cursors) {
  if (devices === "*") cursors.set("*", "0-0"); // who appears while the line is down: all of it
  for (const [id, { cursor }] of Object.entries(answered)) {
    if (!cursors.has(id)) cursors.set(id, cursor);
  }
}

/** Numbers compare within an epoch only; epochs follow in the order sent. */
function isSeen({ epoch, seq }, cursor = "0-0") {
  const [seenEpoch, seenSeq] = cursor.split("-").map(Number);
  return epoch === seenEpoch && seq <= seenSeq;
}

function oneBefore(cursor) {
  const [epoch, seq] = cursor.split("-").map(Number);
  return `${epoch}-${Math.max(seq - 1, 0)}`;
}
