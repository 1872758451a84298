/** The state of the connection to the gateway, and its texts. Pure. */

const BY_READER = "io client disconnect"; // reasons of socket.io-client
const BY_GATEWAY = "io server disconnect";

/**
 * Every state: the label, the notice (null if all is well), whether the client keeps or seeks the
 * connection, and the line above the list of bikes. `time` is when the connection was lost, null if
 * there was none.
 */
const STATES = Object.freeze({
  connecting: {
    label: "Connecting…",
    notice: null,
    isActive: true,
    listLine: () => "Connecting…",
  },
  connected: { label: "Connected", notice: null, isActive: true, listLine: () => "" },
  disconnected: {
    label: "Disconnected",
    notice: "You disconnected. Press “Connect” to continue; the page then loads the missed readings.",
    isActive: false,
    listLine: (time) => `Disconnected since ${time}.`,
  },
  lost: {
    label: "Reconnecting…",
    notice: "The gateway does not answer. This page keeps trying, and then loads the missed readings.",
    isActive: true,
    listLine: (time) =>
      time ? `The gateway has not answered since ${time}.` : "The gateway does not answer.",
  },
  refused: {
    label: "Refused",
    notice: "The gateway refused the connection.",
    isActive: false,
    listLine: () => "The gateway refused the connection.",
  },
  closed: {
    label: "Closed",
    notice: "The gateway closed the connection. Press “Connect” to open it again.",
    isActive: false,
    listLine: (time) => `The gateway closed the connection at ${time}.`,
  },
});

export const CONNECTION_STATES = Object.freeze(Object.keys(STATES));

export const CONNECTING = Object.freeze({ state: "connecting" });
export const CONNECTED = Object.freeze({ state: "connected" });

/** The state after a connection ended for `reason`. */
export function afterDisconnect(reason) {
  if (reason === BY_READER) return Object.freeze({ state: "disconnected" });
  return Object.freeze({ state: reason === BY_GATEWAY ? "closed" : "lost" });
}

/** The state after an attempt failed; the client tries again only while it is `active`. */
export function afterConnectError(message, active) {
  return Object.freeze(active ? { state: "lost" } : { state: "refused", message });
}

/** Describe a connection: `{label, notice}`; the notice is null if all is well. */
export function describeConnection({ state, message }) {
  const { label, notice } = STATES[state];
  return { label, notice: message ? `${notice} It says: ${message}` : notice };
}

/** The line above the list of bikes while there is no connection. */
export function listLine({ state }, time) {
  return STATES[state].listLine(time);
}

/** Whether the client keeps or seeks a connection: then the page offers “Disconnect”. */
export function isActive({ state }) {
  return STATES[state].isActive;
}
