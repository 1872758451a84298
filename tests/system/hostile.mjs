// A stock client that sends rubbish: 10,000 events of any name and shape, half without an
// acknowledgement. Prints how many answers came and which codes they carried, as JSON.
// usage: node hostile.mjs URL SEED
import { io } from "socket.io-client";

const EVENTS = 10_000;
const [url, seed] = process.argv.slice(2);
const socket = io(url, { transports: ["websocket"], reconnection: false });
let state = Number(seed);
const codes = new Map();
let awaited = 0;

function draw(count) {
  state = (Math.imul(state, 1103515245) + 12345) >>> 0;
  return (state >>> 8) % count;
}

const VALUES = [
  () => null, () => true, () => -1, () => 1e308, () => "*", () => "x".repeat(draw(3000)), () => [],
  () => ({}), () => [[[[[]]]]], () => ({ __proto__: null, constructor: 1 }), () => "\ud800",
  () => new Uint8Array(draw(50)), () => ["ebike-001", 5], () => Array(1500).fill("ebike-001"),
  () => ({ "*": "0-0" }), () => ({ "ebike-001": "01-1" }), () => ({ "ebike-002": "1-1" }),
];
const NAMES = [
  "subscribe", "unsubscribe", "nothing", "__proto__", "message", "speed_change", "", "*", 1,
];

function rubbish() {
  if (draw(3) === 0) return VALUES[draw(VALUES.length)]();
  const body = {};
  for (const key of ["devices", "since", "max_rate_hz", "what"]) {
    if (draw(2)) body[key] = VALUES[draw(VALUES.length)]();
  }
  return body;
}

function count(answer) {
  const code = answer?.ok ? "ok" : (answer?.error?.code ?? answer?.code ?? "none");
  codes.set(code, (codes.get(code) ?? 0) + 1);
}

function finish() {
  process.stdout.write(`${JSON.stringify(Object.fromEntries(codes))}\n`);
  socket.disconnect();
}

socket.on("error", count);
socket.on("disconnect", finish);
socket.on("connect", () => {
  for (let i = 0; i < EVENTS; i += 1) {
    const name = NAMES[draw(NAMES.length)];
    if (draw(2)) {
      socket.emit(name, rubbish());
    } else {
      awaited += 1;
      socket.emit(name, rubbish(), (answer) => {
        count(answer);
        awaited -= 1;
        if (awaited === 0) finish();
      });
    }
  }
});
