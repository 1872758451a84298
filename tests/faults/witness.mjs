// Stock clients that follow bikes with spoke.js through whatever happens, and write down what came.
// usage: node witness.mjs '{"url": …, "clients": 1, "devices": "*", "since": {"*": "0-0"}, …}'
// Prints lines of JSON:
//   ["tape", [[client, bike, epoch, first, last] or [client, bike, gap], …]]  in order of arrival
//   ["connect", {client}], ["disconnect", {client, reason}], ["error", {client, code}]
//   ["subscribed", {client, cursors}]  where each stream begins
//   ["reading", reading], ["gap", gap]  with `bodies`: as they came over the wire
//   ["window", {readings, p50_ms, p99_ms, max_ms, pause_ms, hidden}]  on SIGUSR2: since the last one
// `hidden` counts what came over the wire and spoke.js did not hand on.
import { io } from "socket.io-client";

import { follow } from "../../gateway/static/spoke.js";

const {
  url,
  clients = 1,
  devices = "*",
  since = { "*": "0-0" },
  options = {},
  flushMs = 50,
  bodies = false,
} = JSON.parse(process.argv[2]);

let tape = [];
let window = openWindow();
const ends = new Map(); // "client bike" -> the run at the end of its tape that can still grow

function say(event, body) {
  process.stdout.write(`${JSON.stringify([event, body])}\n`);
}

function flush() {
  if (tape.length > 0) say("tape", tape);
  tape = [];
  ends.clear();
}

function recordReading(client, { device_id, epoch, seq, ts_ms }) {
  const key = `${client} ${device_id}`;
  const run = ends.get(key);
  if (run !== undefined && run[2] === epoch && run[4] === seq - 1) {
    run[4] = seq;
  } else {
    const begun = [client, device_id, epoch, seq, seq];
    tape.push(begun);
    ends.set(key, begun);
  }
  noteTime(ts_ms);
}

function recordGap(client, gap) {
  tape.push([client, gap.device_id, gap]);
  ends.delete(`${client} ${gap.device_id}`);
}

function openWindow() {
  return { delaysMs: [], lastMs: performance.now(), pauseMs: 0, raw: 0 };
}

function noteTime(measuredMs) {
  const nowMs = performance.now();
  window.pauseMs = Math.max(window.pauseMs, nowMs - window.lastMs);
  window.lastMs = nowMs;
  window.delaysMs.push(Date.now() - measuredMs);
}

function closeWindow() {
  const sorted = Float64Array.from(window.delaysMs).sort();
  const at = (part) => sorted[Math.min(sorted.length - 1, Math.floor(part * sorted.length))] ?? null;
  const pauseMs = Math.max(window.pauseMs, performance.now() - window.lastMs);
  say("window", {
    readings: sorted.length,
    p50_ms: at(0.5),
    p99_ms: at(0.99),
    max_ms: at(1),
    pause_ms: Math.round(pauseMs),
    hidden: window.raw - sorted.length,
  });
  window = openWindow();
}

function start(client) {
  const socket = io(url, {
    forceNew: true,
    reconnectionDelay: 20,
    reconnectionDelayMax: 200,
    timeout: 2_000,
    ...options,
  });
  socket.on("connect", () => say("connect", { client }));
  socket.on("disconnect", (reason) => say("disconnect", { client, reason }));
  socket.on("speed_change", () => (window.raw += 1));
  if (bodies) {
    socket.on("speed_change", (reading) => say("reading", reading));
    socket.on("gap", (gap) => say("gap", gap));
  }
  follow(socket, {
    devices,
    since,
    onReading: (reading) => recordReading(client, reading),
    onGap: (gap) => recordGap(client, gap),
    onError: ({ code }) => say("error", { client, code }),
    onSubscribed: (answer) => {
      const cursors = Object.entries(answer).map(([id, { cursor }]) => [id, cursor]);
      say("subscribed", { client, cursors: Object.fromEntries(cursors) });
    },
  });
  return socket;
}

const sockets = Array.from({ length: clients }, (_, client) => start(client));
const flushing = setInterval(flush, flushMs);

process.on("SIGUSR2", closeWindow);
process.on("SIGTERM", () => {
  for (const socket of sockets) socket.disconnect();
  clearInterval(flushing);
  flush();
});
