import assert from "node:assert/strict";
import { test } from "node:test";

import { createClock } from "../../gateway/static/dashboard/clock_offset.js";
import { CONNECTED, CONNECTING } from "../../gateway/static/dashboard/connection.js";
import {
  downText,
  listedText,
  noMatchText,
  sinceText,
} from "../../gateway/static/dashboard/fleet_texts.js";
import { timeText } from "../../gateway/static/dashboard/times.js";

const ALL = { words: " ", kind: "all" };
const LOST = { state: "lost" };
const NOON = new Date(2026, 4, 17, 12).getTime();
const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;

test("number of listed bikes", () => {
  assert.equal(listedText(ALL, 200, 200), "200 bikes");
  assert.equal(listedText(ALL, 1, 1), "1 bike");
  assert.equal(listedText({ words: "x", kind: "all" }, 12, 200), "12 of 200 bikes match");
  assert.equal(listedText({ words: "", kind: "online" }, 1, 1), "1 of 1 bike matches");
});

test("an empty list says why it is", () => {
  const say = (words, kind, connection = CONNECTED) => noMatchText({ words, kind }, connection);
  assert.equal(say("", "offline"), "No bike is offline.");
  assert.match(say(" cargo ", "all"), /^No bike has “cargo” in its name or model\. Clear/);
  assert.match(say("cargo", "online"), /^No online bike has “cargo”/);
  assert.match(say("", "offline", LOST), /^Without a connection .* which bikes are offline\.$/);
});

test("a lost connection has its time", () => {
  const time = timeText(NOON);
  assert.equal(
    downText(LOST, NOON, 3),
    `The gateway has not answered since ${time}. The list shows the last readings received.`,
  );
  assert.equal(
    downText(LOST, null, 0),
    "The gateway does not answer. This page does not know yet which bikes there are.",
  );
  assert.equal(downText(CONNECTING, null, 0), ""); // nothing to report while the page opens
});

test("since when a bike is offline", () => {
  const bike = { heard_ms: NOON - 5_000, reading: { ts_ms: NOON - 2_000 } };
  assert.equal(sinceText(bike, undefined, NOON), timeText(NOON - 2_000));
  const slow = { ...createClock(), minimum: HOUR_MS };
  assert.equal(sinceText(bike, slow, NOON), timeText(NOON + HOUR_MS - 2_000));
  assert.match(sinceText(bike, undefined, NOON + DAY_MS), /17.*, 11:59:58$/);
  assert.equal(sinceText({}, undefined, NOON), null);
});
