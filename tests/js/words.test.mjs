import assert from "node:assert/strict";
import { test } from "node:test";

import {
  afterConnectError,
  afterDisconnect,
  CONNECTED,
  CONNECTING,
  describeLink,
  isWanted,
} from "../../gateway/static/dashboard/link.js";
import { bikeInHash, hashOfBike } from "../../gateway/static/dashboard/route.js";
import { countGap, countReading, EMPTY_TALLY } from "../../gateway/static/dashboard/tally.js";
import {
  describeBike,
  gapsWord,
  otherValues,
  speedWord,
} from "../../gateway/static/dashboard/words.js";

const READING = { epoch: 1, seq: 1, ts_ms: 0, speed_kmh: 24.66 };

test("a speed has one decimal, and a dash where there is none", () => {
  assert.equal(speedWord(READING), "24.7");
  assert.equal(speedWord({ speed_kmh: 7 }), "7.0");
  assert.equal(speedWord(undefined), "–");
});

test("only the values a reading carries are shown, with their units", () => {
  const texts = otherValues({ ...READING, power_w: 151.6, assist: "tour", gradient_pct: -0.04 });
  assert.deepEqual(
    texts.map(({ label, text }) => `${label} ${text}`),
    ["Rider 152 W", "Assist tour", "Gradient 0.0 %"],
  );
  assert.deepEqual(otherValues(undefined), []);
});

test("how a connection ended decides what the page says", () => {
  const endings = {
    "io client disconnect": "disconnected",
    "io server disconnect": "closed",
    "transport close": "lost",
    "ping timeout": "lost",
  };
  for (const [reason, state] of Object.entries(endings)) {
    assert.equal(afterDisconnect(reason).state, state, reason);
  }
});

test("a gateway that is down is tried again, one that refuses is quoted", () => {
  assert.equal(afterConnectError("xhr poll error", true).state, "lost");
  const refused = afterConnectError("who are you", false);
  assert.match(describeLink(refused).notice, /refused.*who are you/);
});

test("each state of the line has a label, and one that is not well a notice", () => {
  for (const link of [CONNECTING, CONNECTED]) assert.equal(describeLink(link).notice, null);
  for (const state of ["disconnected", "lost", "refused", "closed"]) {
    const { label, notice } = describeLink({ state });
    assert.ok(label && notice, state);
  }
});

test("disconnect is offered while the line is wanted", () => {
  const wanted = ["connecting", "connected", "lost", "disconnected", "refused", "closed"];
  assert.deepEqual(
    wanted.map((state) => isWanted({ state })),
    [true, true, true, false, false, false],
  );
});

test("a bike is online, offline, refused, unheard, or unknown while the line is down", () => {
  const bikes = [
    [{ id: "b", online: true }, "online"],
    [{ id: "b", online: false, epoch: 1 }, "offline"],
    [{ id: "b", online: false, refused: "old_epoch" }, "refused"],
    [{ id: "b", online: true, refused: "old_epoch" }, "online"],
    [undefined, "unheard"],
  ];
  for (const [bike, kind] of bikes) assert.equal(describeBike("b", bike, CONNECTED).kind, kind);
  assert.equal(describeBike("b", { id: "b", online: true }, { state: "lost" }).kind, "unknown");
});

test("a bike that is there without a reading says so", () => {
  assert.match(describeBike("b", { id: "b", online: true }, CONNECTED).notice, /not sent a reading/);
  const reading = READING;
  assert.equal(describeBike("b", { id: "b", online: true, reading }, CONNECTED).notice, null);
});

test("a refused bike says why in words", () => {
  for (const online of [false, true]) {
    const { notice } = describeBike("b", { id: "b", online, refused: "old_epoch" }, CONNECTED);
    assert.match(notice, /refuse.*: old epoch\.$/);
  }
});

test("an address names a bike or none", () => {
  assert.equal(bikeInHash(hashOfBike("ebike-001")), "ebike-001");
  for (const hash of ["", "#", "#/bikes/", "#/bikes/a b", "#/bikes/<i>", "#/bikes/_x", "#/other"]) {
    assert.equal(bikeInHash(hash), null, hash);
  }
});

test("the tally counts readings between its first and last", () => {
  const tally = [1, 2, 3].reduce((sum, seq) => countReading(sum, { epoch: 5, seq }), EMPTY_TALLY);
  assert.deepEqual(tally, { received: 3, first: "5-1", last: "5-3", gaps: 0, lost: 0 });
});

test("the tally counts what is lost where it can be counted", () => {
  const started = countReading(EMPTY_TALLY, { epoch: 5, seq: 1 });
  const tally = countGap(countGap(started, { lost: 7 }), { lost: null });
  assert.deepEqual([tally.gaps, tally.lost], [2, 7]);
});

test("where the history begins is no gap in it", () => {
  assert.equal(countGap(EMPTY_TALLY, { lost: 3 }), EMPTY_TALLY);
});

test("gaps are told with what is known to be lost", () => {
  assert.equal(gapsWord({ gaps: 0, lost: 0 }), "none");
  assert.equal(gapsWord({ gaps: 2, lost: 0 }), "2");
  assert.equal(gapsWord({ gaps: 2, lost: 1200 }), "2 (1,200 lost)");
});
