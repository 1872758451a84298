import assert from "node:assert/strict";
import { test } from "node:test";

import { createClock } from "../../gateway/static/dashboard/clock.js";
import {
  downWord,
  listedWord,
  noMatchWord,
  sinceWord,
} from "../../gateway/static/dashboard/fleet_words.js";
import { CONNECTED, CONNECTING } from "../../gateway/static/dashboard/link.js";
import { clockWord } from "../../gateway/static/dashboard/words.js";

const ALL = { words: " ", kind: "all" };
const LOST = { state: "lost" };
const NOON = new Date(2026, 4, 17, 12).getTime();
const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;

test("the list says how many bikes it has, and how many of them match", () => {
  assert.equal(listedWord(ALL, 200, 200), "200 bikes");
  assert.equal(listedWord(ALL, 1, 1), "1 bike");
  assert.equal(listedWord({ words: "x", kind: "all" }, 12, 200), "12 of 200 bikes match");
  assert.equal(listedWord({ words: "", kind: "online" }, 1, 1), "1 of 1 bike matches");
});

test("an empty list says why it is", () => {
  const say = (words, kind, link = CONNECTED) => noMatchWord({ words, kind }, link);
  assert.equal(say("", "offline"), "No bike is offline.");
  assert.match(say(" cargo ", "all"), /^No bike has “cargo” in its name or model\. Clear/);
  assert.match(say("cargo", "online"), /^No online bike has “cargo”/);
  assert.match(say("", "offline", LOST), /^Without the gateway nobody knows .* are offline\.$/);
});

test("a line that is down is told with since when, and what that says of the list", () => {
  const time = clockWord(NOON);
  assert.equal(
    downWord(LOST, NOON, 3),
    `The gateway has not answered since ${time}. These are the last readings heard.`,
  );
  assert.equal(
    downWord(LOST, null, 0),
    "The gateway does not answer. Which bikes there are is not known.",
  );
  assert.equal(downWord(CONNECTING, null, 0), ""); // a page that opens is no news
});

test("a bike is offline since it was heard last, with the day where that is another one", () => {
  const bike = { heard_ms: NOON - 5_000, reading: { ts_ms: NOON - 2_000 } };
  assert.equal(sinceWord(bike, undefined, NOON), clockWord(NOON - 2_000));
  const slow = { ...createClock(), least: HOUR_MS };
  assert.equal(sinceWord(bike, slow, NOON), clockWord(NOON + HOUR_MS - 2_000));
  assert.match(sinceWord(bike, undefined, NOON + DAY_MS), /17.*, 11:59:58$/);
  assert.equal(sinceWord({}, undefined, NOON), null);
});
