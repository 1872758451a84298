import assert from "node:assert/strict";
import { test } from "node:test";

import { follow } from "../../gateway/static/spoke.js";
import { connect, createMailbox, cut, startScriptedGateway } from "./scripted_gateway.mjs";

const BIKE = "ebike-001";

function reading(seq, { epoch = 1, device_id = BIKE } = {}) {
  return { v: 1, device_id, epoch, seq, ts_ms: 1, speed_kmh: seq };
}

/** The answer to a subscribe: these devices with their start cursors. */
function answerOf(cursors) {
  const states = Object.entries(cursors).map(([id, cursor]) => [
    id,
    { online: true, cursor, latest: null },
  ]);
  return { ok: true, devices: Object.fromEntries(states) };
}

/** Follow on a new socket; `heard` receives `[kind, data]` in the order of the calls. */
async function startFollowing(t, options) {
  const gateway = await startScriptedGateway(t);
  const socket = connect(t, gateway);
  const heard = createMailbox();
  const following = follow(socket, { ...recordInto(heard), ...options });
  return { gateway, socket, heard, following, question: await gateway.nextQuestion() };
}

function recordInto(heard) {
  return {
    onReading: ({ epoch, seq }) => heard.put(["reading", `${epoch}-${seq}`]),
    onGap: ({ reason }) => heard.put(["gap", reason]),
    onStatus: ({ online }) => heard.put(["status", online]),
    onSubscribed: (devices) => heard.put(["subscribed", Object.keys(devices)]),
    onError: ({ code }) => heard.put(["error", code]),
  };
}

async function take(heard, count) {
  const taken = [];
  while (taken.length < count) taken.push(await heard.take());
  return taken;
}

test("a first subscribe without cursors", async (t) => {
  const { question } = await startFollowing(t, { devices: [BIKE] });
  assert.deepEqual(question.request, { devices: [BIKE] });
});

test("a first subscribe with cursors", async (t) => {
  const since = { [BIKE]: "3-7" };
  const { question } = await startFollowing(t, { devices: [BIKE], since });
  assert.deepEqual(question.request, { devices: [BIKE], since });
});

test("a limited stream does not resume", async (t) => {
  const { question, heard, gateway } = await startFollowing(t, { devices: "*", maxRateHz: 2 });
  assert.deepEqual(question.request, { devices: "*", max_rate_hz: 2 });
  question.answer(answerOf({ [BIKE]: "1-4" }));
  question.socket.emit("speed_change", reading(9));
  await take(heard, 2);
  cut(question);
  const again = await gateway.nextQuestion();
  assert.deepEqual(again.request, { devices: "*", max_rate_hz: 2 });
  again.answer(answerOf({ [BIKE]: "1-9" }));
  for (const seq of [9, 14]) again.socket.emit("speed_change", reading(seq));
  assert.deepEqual(await take(heard, 2), [["subscribed", [BIKE]], ["reading", "1-14"]]);
});

test("events keep their order", async (t) => {
  const { question, heard } = await startFollowing(t, { devices: [BIKE] });
  question.answer(answerOf({ [BIKE]: "1-4" }));
  question.socket.emit("device_status", { device_id: BIKE, online: true });
  question.socket.emit("speed_change", reading(5));
  question.socket.emit("gap", { device_id: BIKE, before: "1-8", reason: "overrun" });
  question.socket.emit("speed_change", reading(8));
  assert.deepEqual(await take(heard, 5), [
    ["subscribed", [BIKE]],
    ["status", true],
    ["reading", "1-5"],
    ["gap", "overrun"],
    ["reading", "1-8"],
  ]);
});

test("a reconnect resumes after the last reading", async (t) => {
  const { question, heard, gateway } = await startFollowing(t, { devices: [BIKE] });
  question.answer(answerOf({ [BIKE]: "1-4" }));
  question.socket.emit("speed_change", reading(5));
  await take(heard, 2);
  cut(question);
  assert.deepEqual((await gateway.nextQuestion()).request.since, { [BIKE]: "1-5" });
});

test("a reconnect resumes a silent bike", async (t) => {
  const { question, heard, gateway } = await startFollowing(t, { devices: [BIKE] });
  question.answer(answerOf({ [BIKE]: "1-4" }));
  await take(heard, 1);
  cut(question);
  assert.deepEqual((await gateway.nextQuestion()).request.since, { [BIKE]: "1-4" });
});

test("a gap moves the cursor", async (t) => {
  const { question, heard, following } = await startFollowing(t, { devices: [BIKE] });
  question.answer(answerOf({ [BIKE]: "1-4" }));
  question.socket.emit("gap", { device_id: BIKE, before: "2-1", reason: "epoch" });
  await take(heard, 2);
  assert.equal(following.cursors.get(BIKE), "2-0");
});

test("a gap may go back", async (t) => {
  const { question, heard } = await startFollowing(t, { devices: [BIKE] });
  question.answer(answerOf({ [BIKE]: "1-90" }));
  question.socket.emit("gap", { device_id: BIKE, before: "1-3", reason: "unknown_cursor" });
  question.socket.emit("speed_change", reading(3));
  assert.deepEqual((await take(heard, 3)).at(-1), ["reading", "1-3"]);
});

test("an answer never moves a position back", async (t) => {
  const { question, heard, gateway, following } = await startFollowing(t, { devices: [BIKE] });
  question.answer(answerOf({ [BIKE]: "1-4" }));
  question.socket.emit("speed_change", reading(5));
  await take(heard, 2);
  cut(question);
  (await gateway.nextQuestion()).answer(answerOf({ [BIKE]: "1-2" }));
  await take(heard, 1);
  assert.equal(following.cursors.get(BIKE), "1-5");
});

test("a repeated reading arrives once", async (t) => {
  const { question, heard } = await startFollowing(t, { devices: [BIKE] });
  question.answer(answerOf({ [BIKE]: "1-4" }));
  for (const seq of [5, 5, 4, 6]) question.socket.emit("speed_change", reading(seq));
  const readings = (await take(heard, 3)).slice(1);
  assert.deepEqual(readings, [["reading", "1-5"], ["reading", "1-6"]]);
});

test("an older epoch is accepted", async (t) => {
  const { question, heard } = await startFollowing(t, { devices: [BIKE] });
  question.answer(answerOf({ [BIKE]: "9-4" }));
  question.socket.emit("speed_change", reading(1, { epoch: 3 }));
  assert.deepEqual((await take(heard, 2)).at(-1), ["reading", "3-1"]);
});

test("resuming all bikes includes new ones", async (t) => {
  const { question, heard, gateway } = await startFollowing(t, { devices: "*" });
  assert.deepEqual(question.request, { devices: "*" });
  question.answer(answerOf({ [BIKE]: "1-4" }));
  question.socket.emit("speed_change", reading(1, { device_id: "ebike-002" }));
  await take(heard, 2);
  cut(question);
  assert.deepEqual((await gateway.nextQuestion()).request.since, {
    "*": "0-0",
    [BIKE]: "1-4",
    "ebike-002": "1-1",
  });
});

test("a bike may be called __proto__", async (t) => {
  const ids = ["__proto__", "constructor", "toString", "toJSON"];
  const { question, heard, gateway } = await startFollowing(t, { devices: ids });
  const positions = Object.fromEntries(ids.map((id) => [id, "1-4"]));
  question.answer(answerOf(positions));
  for (const device_id of ids) question.socket.emit("speed_change", reading(5, { device_id }));
  await take(heard, 1 + ids.length);
  cut(question);
  const { since } = (await gateway.nextQuestion()).request;
  assert.deepEqual(Object.entries(since), ids.map((id) => [id, "1-5"]));
  assert.equal({}.polluted, undefined);
});

test("an unanswered subscribe is repeated", async (t) => {
  const options = { devices: [BIKE], ackTimeoutMs: 20 };
  const { gateway, heard } = await startFollowing(t, options);
  const second = await gateway.nextQuestion();
  assert.deepEqual(second.request, { devices: [BIKE] });
  second.answer(answerOf({ [BIKE]: "1-4" }));
  second.socket.emit("speed_change", reading(5));
  assert.deepEqual((await take(heard, 2)).at(-1), ["reading", "1-5"]);
});

test("a refusal is reported", async (t) => {
  const { question, heard } = await startFollowing(t, { devices: [BIKE] });
  question.answer({ ok: false, error: { code: "forbidden", message: "not yours" } });
  question.socket.emit("speed_change", reading(5));
  assert.deepEqual(await take(heard, 1), [["error", "forbidden"]]);
  assert.equal(heard.count(), 0);
});

test("a temporary refusal is repeated", async (t) => {
  const { question, heard, gateway } = await startFollowing(t, { devices: [BIKE], askAgainMs: 1 });
  question.answer({ ok: false, error: { code: "rate_limited", message: "later" } });
  const again = await gateway.nextQuestion();
  again.answer(answerOf({ [BIKE]: "1-4" }));
  assert.deepEqual(await take(heard, 2), [["error", "rate_limited"], ["subscribed", [BIKE]]]);
});

test("events before the answer are ignored", async (t) => {
  const options = { devices: [BIKE], since: { [BIKE]: "0-0" } };
  const { question, heard } = await startFollowing(t, options);
  question.socket.emit("speed_change", reading(1000));
  question.answer(answerOf({ [BIKE]: "0-0" }));
  question.socket.emit("speed_change", reading(1));
  assert.deepEqual(await take(heard, 2), [["subscribed", [BIKE]], ["reading", "1-1"]]);
});

test("named bikes go to their follow", async (t) => {
  const { question, heard: all, gateway, socket } = await startFollowing(t, { devices: "*" });
  question.answer(answerOf({ [BIKE]: "1-4", "ebike-002": "1-4" }));
  await take(all, 1);
  const one = createMailbox();
  follow(socket, { ...recordInto(one), devices: [BIKE] });
  (await gateway.nextQuestion()).answer(answerOf({ [BIKE]: "1-4" }));
  question.socket.emit("speed_change", reading(5));
  question.socket.emit("speed_change", reading(6, { device_id: "ebike-002" }));
  assert.deepEqual((await take(one, 2)).at(-1), ["reading", "1-5"]);
  assert.deepEqual(await take(all, 1), [["reading", "1-6"]]);
});

test("a released bike returns to \"*\"", async (t) => {
  const { question, heard: all, gateway, socket } = await startFollowing(t, { devices: "*" });
  question.answer(answerOf({ [BIKE]: "1-4" }));
  await take(all, 1);
  const named = follow(socket, { devices: [BIKE] });
  (await gateway.nextQuestion()).answer(answerOf({ [BIKE]: "1-4" }));
  named.stop();
  assert.deepEqual(await gateway.nextUnsubscribe(), { devices: [BIKE] });
  question.socket.emit("speed_change", reading(5));
  assert.deepEqual(await take(all, 1), [["reading", "1-5"]]);
});

test("a stopped follow unsubscribes", async (t) => {
  const { question, heard, gateway, following } = await startFollowing(t, { devices: [BIKE] });
  question.answer(answerOf({ [BIKE]: "1-4" }));
  await take(heard, 1);
  following.stop();
  assert.deepEqual(await gateway.nextUnsubscribe(), { devices: [BIKE] });
  question.socket.emit("speed_change", reading(5));
  cut(question);
  const next = follow(connect(t, gateway), { devices: ["ebike-002"] });
  assert.deepEqual((await gateway.nextQuestion()).request, { devices: ["ebike-002"] });
  assert.equal(heard.count(), 0);
  next.stop();
});

test("resuming after the user's disconnect", async (t) => {
  const { question, heard, gateway, socket } = await startFollowing(t, { devices: [BIKE] });
  question.answer(answerOf({ [BIKE]: "1-4" }));
  question.socket.emit("speed_change", reading(5));
  await take(heard, 2);
  socket.disconnect();
  socket.connect();
  assert.deepEqual((await gateway.nextQuestion()).request.since, { [BIKE]: "1-5" });
});
