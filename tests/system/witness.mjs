// A stock Socket.IO client that prints every event it sees as one line of JSON, in order.
// usage: node witness.mjs '{"url": …, "options": …, "emit": [["subscribe", {…}], …], "until": {…}}'
// It ends by itself once `until` is reached: {"event": name, "count": n}, or a given body by
// {"event": name, "key": k, "value": v}.
import { io } from "socket.io-client";

const { url, options = {}, emit = [], until = null } = JSON.parse(process.argv[2]);
const socket = io(url, { reconnectionDelay: 50, reconnectionDelayMax: 200, ...options });
const counts = new Map();

function say(event, body) {
  process.stdout.write(`${JSON.stringify([event, body])}\n`);
  counts.set(event, (counts.get(event) ?? 0) + 1);
  if (isReached(event, body)) end();
}

function isReached(event, body) {
  if (until === null || until.event !== event) return false;
  if (until.key !== undefined) return body[until.key] === until.value;
  return counts.get(event) >= (until.count ?? 1);
}

function end() {
  socket.offAny();
  socket.disconnect();
}

socket.on("connect", () => {
  say("connect", { id: socket.id });
  for (const [event, ...values] of emit) {
    socket.emit(event, ...values, (answer) => say("ack", answer));
  }
});
socket.on("connect_error", (error) => {
  say("connect_error", { message: error.message, data: error.data ?? null });
});
socket.on("disconnect", (reason) => say("disconnect", { reason }));
socket.onAny((event, body) => say(event, body));
process.on("SIGTERM", end);
