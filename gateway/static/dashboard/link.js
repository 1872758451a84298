/** The state of the line to the gateway, and how to say it. Pure. */

/** `state` is one of connecting, connected, disconnected, lost, refused, closed. */
export const CONNECTING = Object.freeze({ state: "connecting" });
export const CONNECTED = Object.freeze({ state: "connected" });
const BY_BUTTON = "io client disconnect"; // the reasons are those of socket.io-client
const BY_GATEWAY = "io server disconnect";

/** The state after a connection ended for `reason`. */
export function afterDisconnect(reason) {
  if (reason === BY_BUTTON) return Object.freeze({ state: "disconnected" });
  return Object.freeze({ state: reason === BY_GATEWAY ? "closed" : "lost" });
}

/** The state after connecting failed; the client goes on trying only while it is `active`. */
export function afterConnectError(message, active) {
  return Object.freeze(active ? { state: "lost" } : { state: "refused", message });
}

const WORDS = {
  connecting: { label: "Connecting…", notice: null },
  connected: { label: "Connected", notice: null },
  disconnected: {
    label: "Disconnected",
    notice:
      "You disconnected. Press “Connect” to go on: the readings sent in the meantime are then fetched.",
  },
  lost: {
    label: "Reconnecting…",
    notice:
      "The gateway does not answer. This page keeps trying, and then fetches the readings that " +
      "were sent in the meantime.",
  },
  refused: { label: "Refused", notice: "The gateway refused the connection." },
  closed: {
    label: "Closed",
    notice: "The gateway closed the connection. Press “Connect” to open it again.",
  },
};

/** How to say it: `{label, notice}`, the notice null when all is well. */
export function describeLink({ state, message }) {
  const { label, notice } = WORDS[state];
  return { label, notice: message ? `${notice} It says: ${message}` : notice };
}

/** Whether the line is up or being tried: then Disconnect is what can be asked for. */
export function isWanted({ state }) {
  return ["connecting", "connected", "lost"].includes(state);
}
