/** Cursors that spoke.js saves over a reload; tests/browser/reload.test.mjs uses real pages. */

import assert from "node:assert/strict";
import { afterEach, beforeEach, test } from "node:test";

import { connect, createMailbox, cut, startScriptedGateway } from "./scripted_gateway.mjs";

const BIKE = "ebike-001";
const MOST = 10_000; // cursors that a gateway accepts in one request

let kept;
let pages = 0;

beforeEach(() => {
  giveStorage({});
  const window = new EventTarget();
  globalThis.addEventListener = window.addEventListener.bind(window);
  globalThis.removeEventListener = window.removeEventListener.bind(window);
  globalThis.dispatchEvent = window.dispatchEvent.bind(window);
});
afterEach(() => {
  for (const name of ["sessionStorage", "addEventListener", "removeEventListener", "dispatchEvent"]) {
    Reflect.deleteProperty(globalThis, name);
  }
});

/** Load the module again, as each page does, and return its `follow`. */
async function openPage() {
  return (await import(`../../gateway/static/spoke.js?page=${(pages += 1)}`)).follow;
}

/** Give this process a tab's storage. `other` replaces some of its methods. */
function giveStorage(other) {
  kept = new Map();
  const storage = {
    getItem: (name) => kept.get(name) ?? null,
    setItem: (name, text) => kept.set(name, text),
    removeItem: (name) => kept.delete(name),
    ...other,
  };
  defineStorage({ value: storage });
}

function defineStorage(property) {
  Object.defineProperty(globalThis, "sessionStorage", { ...property, configurable: true });
}

function reading(seq, device_id = BIKE) {
  return { v: 1, device_id, epoch: 1, seq, ts_ms: 1, speed_kmh: seq };
}

function answerOf(cursors) {
  const states = cursors.map(([id, cursor]) => [id, { online: true, cursor, latest: null }]);
  return { ok: true, devices: Object.fromEntries(states) };
}

/** Open a page that follows bikes, receive readings, and leave the page; the requests it sent. */
async function visit(t, gateway, options, readings = []) {
  const follow = await openPage();
  const heard = createMailbox();
  const told = { onReading: heard.put, onSubscribed: heard.put };
  const socket = connect(t, gateway);
  follow(socket, { devices: [BIKE], ...told, ...options });
  const question = await gateway.nextQuestion();
  question.answer(answerOf([]));
  await heard.take();
  for (const one of readings) question.socket.emit("speed_change", one);
  for (const _ of readings) await heard.take();
  socket.disconnect();
  globalThis.dispatchEvent(new Event("pagehide"));
  return question.request;
}

test("a reload resumes", async (t) => {
  const gateway = await startScriptedGateway(t);
  assert.deepEqual(await visit(t, gateway, {}, [reading(5), reading(6)]), { devices: [BIKE] });
  const since = { [BIKE]: "1-6" };
  assert.deepEqual(await visit(t, gateway, {}), { devices: [BIKE], since });
});

test("a reload includes new bikes", async (t) => {
  const gateway = await startScriptedGateway(t);
  await visit(t, gateway, { devices: "*" }, [reading(5)]);
  const { since } = await visit(t, gateway, { devices: "*" });
  assert.deepEqual(since, { "*": "0-0", [BIKE]: "1-5" });
});

test("a reload resumes an empty list", async (t) => {
  const gateway = await startScriptedGateway(t);
  assert.deepEqual(await visit(t, gateway, { devices: "*" }), { devices: "*" });
  assert.deepEqual((await visit(t, gateway, { devices: "*" })).since, { "*": "0-0" });
});

test("one entry for each gateway and list", async (t) => {
  const gateway = await startScriptedGateway(t);
  await visit(t, gateway, {}, [reading(5)]);
  const other = await startScriptedGateway(t);
  assert.equal((await visit(t, other, {})).since, undefined);
  assert.equal((await visit(t, gateway, { devices: [BIKE, "ebike-002"] })).since, undefined);
  assert.equal((await visit(t, gateway, { devices: "*" })).since, undefined);
});

test("the order of names is irrelevant", async (t) => {
  const gateway = await startScriptedGateway(t);
  await visit(t, gateway, { devices: [BIKE, "ebike-002"] }, [reading(5)]);
  const { since } = await visit(t, gateway, { devices: ["ebike-002", BIKE] });
  assert.deepEqual(since, { [BIKE]: "1-5" });
});

test("`since` saves nothing without `keep`", async (t) => {
  const gateway = await startScriptedGateway(t);
  const since = { [BIKE]: "0-0" };
  await visit(t, gateway, { since }, [reading(5)]);
  assert.equal(kept.size, 0);
  await visit(t, gateway, { since, keep: true }, [reading(5)]);
  assert.deepEqual((await visit(t, gateway, { since, keep: true })).since, { [BIKE]: "1-5" });
  assert.equal((await visit(t, gateway, { keep: false })).since, undefined);
});

test("a limited stream is not kept", async (t) => {
  const gateway = await startScriptedGateway(t);
  await visit(t, gateway, { maxRateHz: 2 }, [reading(5)]);
  assert.equal(kept.size, 0);
});

test("equal follows share no entry", async (t) => {
  const gateway = await startScriptedGateway(t);
  const follow = await openPage();
  const [one, other] = [connect(t, gateway), connect(t, gateway)];
  const heard = createMailbox();
  follow(one, { devices: [BIKE] });
  await gateway.nextQuestion();
  follow(other, { devices: [BIKE], onReading: heard.put });
  const question = await gateway.nextQuestion();
  question.answer(answerOf([]));
  question.socket.emit("speed_change", reading(5));
  await heard.take();
  globalThis.dispatchEvent(new Event("pagehide"));
  assert.equal(kept.size, 0);
});

test("stop deletes the entry", async (t) => {
  const gateway = await startScriptedGateway(t);
  await visit(t, gateway, {}, [reading(5)]);
  const follow = await openPage();
  const heard = createMailbox();
  const options = { devices: [BIKE], onSubscribed: heard.put };
  follow(connect(t, gateway), options).stop();
  const following = follow(connect(t, gateway), options);
  const question = await gateway.nextQuestion();
  assert.deepEqual(question.request.since, { [BIKE]: "1-5" });
  question.answer(answerOf([]));
  await heard.take();
  following.stop();
  assert.equal(kept.size, 0);
});

test("cursors are saved within seconds", async (t) => {
  const saved = createMailbox();
  giveStorage({ setItem: (_name, text) => saved.put(text) });
  const gateway = await startScriptedGateway(t);
  const follow = await openPage();
  const following = follow(connect(t, gateway), { devices: [BIKE] });
  const question = await gateway.nextQuestion();
  question.answer(answerOf([]));
  question.socket.emit("speed_change", reading(5));
  assert.equal(await saved.take(), `[["${BIKE}","1-5"]]`);
  following.stop();
});

test("a failing storage is harmless", async (t) => {
  const gateway = await startScriptedGateway(t);
  const refuse = () => {
    throw new DOMException("no", "QuotaExceededError");
  };
  const arrangements = [
    () => giveStorage({ setItem: refuse }),
    () => giveStorage({ getItem: refuse, setItem: refuse, removeItem: refuse }),
    () => defineStorage({ get: refuse }),
    () => defineStorage({ value: null }),
    () => Reflect.deleteProperty(globalThis, "sessionStorage"),
  ];
  for (const arrange of arrangements) {
    arrange();
    await visit(t, gateway, {}, [reading(5)]);
    assert.deepEqual(await visit(t, gateway, {}, [reading(7)]), { devices: [BIKE] });
  }
});

test("invalid entries are ignored", async (t) => {
  const gateway = await startScriptedGateway(t);
  await visit(t, gateway, {}, [reading(5)]);
  const [name] = kept.keys();
  const good = [BIKE, "1-5"];
  const garbage = [
    ["", undefined],
    ["{", undefined],
    ["null", undefined],
    ["7", undefined],
    ['{"ebike-001":"1-5"}', undefined],
    [JSON.stringify([null]), undefined],
    [JSON.stringify([[BIKE, "01-5"], [BIKE, ["1-5"]], [BIKE], [7, "1-5"]]), undefined],
    [JSON.stringify([[BIKE, "9007199254740992-1"]]), undefined],
    [JSON.stringify([["__proto__", "1-5"], ["ebike-002", "1-5"], ["*", "0-0"], good]), "1-5"],
  ];
  for (const [text, cursor] of garbage) {
    kept.set(name, text);
    const { since } = await visit(t, gateway, {});
    assert.equal(since?.[BIKE], cursor, text);
    assert.deepEqual(Object.keys(since ?? {}), cursor === undefined ? [] : [BIKE]);
  }
  assert.equal({}.polluted, undefined);
});

test("a bike called __proto__ is saved", async (t) => {
  const gateway = await startScriptedGateway(t);
  const options = { devices: ["__proto__"] };
  await visit(t, gateway, options, [reading(5, "__proto__")]);
  assert.deepEqual(Object.entries((await visit(t, gateway, options)).since), [["__proto__", "1-5"]]);
});

test("only the newest cursors are saved", async (t) => {
  const gateway = await startScriptedGateway(t);
  const socket = connect(t, gateway);
  const heard = createMailbox();
  const follow = await openPage();
  follow(socket, { devices: "*", onReading: heard.put, onSubscribed: heard.put });
  const question = await gateway.nextQuestion();
  const ids = Array.from({ length: MOST + 5 }, (_, index) => `bike-${index}`);
  question.answer(answerOf(ids.map((id) => [id, "1-4"])));
  await heard.take();
  question.socket.emit("speed_change", reading(5, ids[6]));
  await heard.take();
  cut(question);
  const { since } = (await gateway.nextQuestion()).request;
  assert.equal(Object.keys(since).length, MOST);
  assert.equal(since["*"], "0-0");
  assert.equal(since[ids[6]], "1-5");
  assert.ok(ids.slice(0, 6).every((id) => !(id in since)));
  assert.ok(ids.slice(6).every((id) => id in since));
});
