// A bike in JavaScript: readings, statuses, and replay of the newest readings.
//
//   npm install --ignore-scripts    (the package `zeromq` brings libzmq with it)
//   node bike.mjs                   (beside a gateway; put your sensor into measureKmh())
//
// `node bike.mjs tcp://0.0.0.0:5556 tcp://0.0.0.0:5557 100` publishes and answers at other
// endpoints, with another time between two readings in milliseconds. docs/protocol.md has all rules.
import { setTimeout as sleep } from "node:timers/promises";

import { Publisher, Router } from "zeromq";

const DEVICE_ID = "my-js-bike";
const KEPT = 6000; // readings for replay: ten minutes at 10 Hz
const [
  pubEndpoint = "tcp://127.0.0.1:5556",
  replayEndpoint = "tcp://127.0.0.1:5557",
  intervalMs = "1000",
] = process.argv.slice(2);

const epoch = Date.now();
const kept = []; // the newest readings, as they were published
let seq = 0;
let isStopping = false;

/** Return the speed. Put your sensor here. */
function measureKmh() {
  return 21.5;
}

const pub = new Publisher({ sendHighWaterMark: 10_000, linger: 500 });
const router = new Router({ linger: 0 });
await pub.bind(pubEndpoint);
await router.bind(replayEndpoint);

let lastSent = Promise.resolve();
/** Send one message after the other: the socket takes only one at a time. */
function publish(kind, payload) {
  lastSent = lastSent.then(() => pub.send([`ebike/${kind}/${DEVICE_ID}/`, payload]));
  return lastSent;
}

function write(values) {
  return JSON.stringify({ v: 1, device_id: DEVICE_ID, epoch, ts_ms: Date.now(), ...values });
}

/** Keep a reading before it is sent, so that replay has every reading that was published. */
function publishReading() {
  seq += 1;
  const payload = write({ seq, speed_kmh: Math.round(measureKmh() * 10) / 10 });
  kept.push(payload);
  if (kept.length > KEPT) kept.shift();
  return publish("reading", payload);
}

function publishStatus(state) {
  const values = { last_seq: seq, state, interval_ms: Number(intervalMs), model: "bike.mjs" };
  return publish("status", write(values));
}

const oldest = () => seq - kept.length + 1;

/** Return a position as [epoch, seq], or null if it is none. */
function parsePosition(after) {
  const found = /^(\d+)-(\d+)$/.exec(after ?? "0-0");
  return found && [Number(found[1]), Number(found[2])];
}

/** Return the reason to refuse a question, or undefined. */
function reasonToRefuse({ v, op, device_id, after, limit }) {
  if (v !== 1) return "unsupported_version";
  if (op !== "replay" || !Number.isInteger(limit) || limit < 1 || limit > 1000)
    return "bad_request";
  if (parsePosition(after) === null) return "bad_request";
  return device_id === DEVICE_ID ? undefined : "unknown_device";
}

function readingsAfter([ofEpoch, number], limit) {
  if (ofEpoch > epoch) return [];
  const first = ofEpoch === epoch ? Math.max(0, number + 1 - oldest()) : 0;
  return kept.slice(first, first + limit);
}

/** Return the frames of the answer; none for a question without an id. */
function answer(question) {
  if (typeof question?.id !== "string") return [];
  const header = { v: 1, id: question.id, device_id: question.device_id };
  const code = reasonToRefuse(question);
  if (code !== undefined) return [JSON.stringify({ ...header, error: { code, message: code } })];
  const page = readingsAfter(parsePosition(question.after), question.limit);
  const [first, last] = seq > 0 ? [`${epoch}-${oldest()}`, `${epoch}-${seq}`] : [null, null];
  return [JSON.stringify({ ...header, count: page.length, oldest: first, newest: last }), ...page];
}

function parse(payload) {
  try {
    return JSON.parse(payload);
  } catch {
    return null;
  }
}

/** Answer questions. All frames before the question go back unchanged before the answer. */
async function serve() {
  for await (const frames of router) {
    const reply = answer(parse(frames.pop()));
    if (reply.length > 0) await router.send([...frames, ...reply]).catch(() => {});
  }
}

async function publishReadings() {
  for (let due = performance.now(); !isStopping; due += Number(intervalMs)) {
    await sleep(Math.max(0, due - performance.now()));
    await publishReading();
  }
}

async function stop() {
  isStopping = true;
  await publishStatus("stopping");
  pub.close();
  router.close();
  process.exit();
}

process.once("SIGINT", stop).once("SIGTERM", stop);
setInterval(() => publishStatus("online"), 1000);
publishStatus("online");
await Promise.all([publishReadings(), serve()]);
