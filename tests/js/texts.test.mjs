import assert from "node:assert/strict";
import { test } from "node:test";

import {
  arrivalText,
  clockDifferenceText,
  gapsText,
} from "../../gateway/static/dashboard/arrival_texts.js";
import {
  describeAssist,
  describeBike,
  emptyPageText,
} from "../../gateway/static/dashboard/bike_status.js";
import { missingText, shownText } from "../../gateway/static/dashboard/chart_texts.js";
import {
  afterConnectError,
  afterDisconnect,
  CONNECTED,
  CONNECTING,
  describeConnection,
  isActive,
} from "../../gateway/static/dashboard/connection.js";
import {
  bikeInHash,
  FLEET_HASH,
  hashOfBike,
  isUnknownRoute,
} from "../../gateway/static/dashboard/route.js";
import { countGap, countReading, EMPTY_TALLY } from "../../gateway/static/dashboard/tally.js";
import {
  durationText,
  tickText,
  timeTenthsText,
  windowText,
} from "../../gateway/static/dashboard/times.js";
import { unitOf } from "../../gateway/static/dashboard/units.js";
import {
  batteryText,
  otherValues,
  powerText,
  speedText,
} from "../../gateway/static/dashboard/values.js";

const [KMH, MPH] = [unitOf("kmh"), unitOf("mph")];
const READING = { epoch: 1, seq: 1, ts_ms: 0, speed_kmh: 24.66 };

test("text of a speed", () => {
  assert.equal(speedText(READING, KMH), "24.7");
  assert.equal(speedText(READING, MPH), "15.3");
  assert.equal(speedText({ speed_kmh: 7 }, KMH), "7.0");
  assert.equal(speedText(undefined, KMH), "–");
});

test("texts of battery and power", () => {
  assert.deepEqual([batteryText({ battery_pct: 83.4 }), powerText({ power_w: 99.6 })], ["83 %", "100 W"]);
  assert.deepEqual([batteryText(READING), powerText(undefined)], ["–", "–"]);
});

function valuesOf(values, unit = KMH) {
  return otherValues({ ...READING, ...values }, unit).map(({ label, text }) => `${label} ${text}`);
}

test("only carried values are shown", () => {
  assert.deepEqual(valuesOf({ power_w: 151.6, gradient_pct: -0.04 }), ["Rider 152 W", "Gradient 0.0 %"]);
  assert.deepEqual(otherValues(undefined, KMH), []);
});

test("a distance has the reader's unit", () => {
  const texts = valuesOf({ odometer_km: 100, altitude_m: 40 }, MPH);
  assert.deepEqual(texts, ["Altitude 40 m", "Odometer 62.1 mi"]);
});

test("extra values keep their names", () => {
  const texts = valuesOf({ extra: { tyre_bar: 4.25, locked: true, mood: "good" } });
  assert.deepEqual(texts, ["tyre_bar 4.25", "locked true", "mood good"]);
});

test("text of the EU cut-off", () => {
  const fast = { ...READING, speed_kmh: 26, motor_power_w: 0, assist: "tour" };
  assert.deepEqual(describeAssist(fast, KMH), {
    label: "EU cut-off: no motor above 25 km/h",
    isCutOff: true,
  });
  assert.match(describeAssist(fast, MPH).label, /above 15.5 mph$/);
});

test("no cut-off below the limit", () => {
  const label = (values) => describeAssist({ ...READING, ...values }, KMH).label;
  assert.match(label({ assist: "eco", motor_power_w: 90 }), /helps up to 25 km\/h/);
  assert.match(label({ assist: "off" }), /switched off/);
  assert.match(label({ assist: "tour", speed_kmh: 27, motor_power_w: 80 }), /helps/);
  assert.equal(label({}), null);
  assert.equal(describeAssist(undefined, KMH).label, null);
});

test("state after a disconnect", () => {
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

test("state after a failed attempt", () => {
  assert.equal(afterConnectError("xhr poll error", true).state, "lost");
  const refused = afterConnectError("who are you", false);
  assert.match(describeConnection(refused).notice, /refused.*who are you/);
});

test("texts of each connection state", () => {
  for (const connection of [CONNECTING, CONNECTED]) assert.equal(describeConnection(connection).notice, null);
  for (const state of ["disconnected", "lost", "refused", "closed"]) {
    const { label, notice } = describeConnection({ state });
    assert.ok(label && notice, state);
  }
});

test("states that offer Disconnect", () => {
  const wanted = ["connecting", "connected", "lost", "disconnected", "refused", "closed"];
  assert.deepEqual(
    wanted.map((state) => isActive({ state })),
    [true, true, true, false, false, false],
  );
});

test("states of a bike", () => {
  const bikes = [
    [{ id: "b", online: true }, "online"],
    [{ id: "b", online: false, epoch: 1 }, "offline"],
    [{ id: "b", online: false, refused: "old_epoch" }, "refused"],
    [{ id: "b", online: true, refused: "old_epoch" }, "online"],
    [{ id: "b", online: true, refused: "invalid" }, "refused"],
    [{ id: "b", online: false, epoch: 0, refused: "seq_back" }, "refused"],
    [undefined, "unheard"],
  ];
  for (const [bike, kind] of bikes) assert.equal(describeBike("b", bike, CONNECTED).kind, kind);
  assert.equal(describeBike("b", { id: "b", online: true }, { state: "lost" }).kind, "unknown");
});

test("an online bike without a reading", () => {
  assert.match(describeBike("b", { id: "b", online: true }, CONNECTED).notice, /not sent a reading/);
  const reading = READING;
  assert.equal(describeBike("b", { id: "b", online: true, reading }, CONNECTED).notice, null);
});

test("a refused bike shows advice", () => {
  for (const online of [false, true]) {
    const { notice } = describeBike("b", { id: "b", online, refused: "old_epoch" }, CONNECTED);
    assert.match(notice, /refuse.*Give each bike an id of its own/);
  }
});

test("advice for each refusal", () => {
  const immediate = ["old_epoch", "future_epoch", "far_seq", "unsupported_version"];
  const reasons = [...immediate, "invalid", "seq_back", "conflict"];
  const notice = (refused) => describeBike("b", { id: "b", refused }, CONNECTED).notice;
  assert.equal(new Set(reasons.map(notice)).size, reasons.length);
  for (const reason of reasons) assert.match(notice(reason), /Give|Set|Start|Update|device\.check|Stop/);
  assert.match(notice("odd_shape"), /odd shape.*device\.check/);
});

test("text of a duration", () => {
  const spans = [8.4, 999, 2_340, 59_400, 185_000, 3_600_004, 7_320_000];
  assert.deepEqual(spans.map(durationText), ["8 ms", "999 ms", "2.3 s", "59 s", "3 min 5 s", "1 h 0 min", "2 h 2 min"]);
});

test("text of a clock difference", () => {
  assert.equal(clockDifferenceText(0), null);
  assert.match(clockDifferenceText(3_600_000), /1 h 0 min behind yours/);
  assert.match(clockDifferenceText(-120_000), /2 min 0 s ahead of yours/);
});

test("text of a window", () => {
  assert.deepEqual([20, 60, 450].map(windowText), ["20 s", "1 min", "7.5 min"]);
});

test("text of the visible range", () => {
  const at = (to) => ({ range: { span_s: 60, to }, bounds: [40, 100], first: 50, missing: null });
  assert.equal(shownText(at(null)), "Showing the latest 1 min");
  assert.match(shownText(at(100)), /^Showing 1 min, from \d\d:\d\d:40 to \d\d:\d\d:40$/);
  assert.match(shownText({ ...at(null), missing: "not kept" }), /min\. Recording started at/);
});

test("text before the first reading", () => {
  const told = (missing, state) => missingText({ missing, first: 50, connection: { state } });
  assert.match(told("not kept", "lost"), /^Recording started at \d\d:\d\d:50$/);
  assert.match(told("loading", "connected"), /^Loading/);
  assert.match(told("loading", "lost"), /not loaded$/);
  assert.equal(told(null, "connected"), "");
});

test("tenths of a second", () => {
  const time = new Date(2026, 0, 31, 14, 3, 22, 380).getTime();
  assert.deepEqual([timeTenthsText(time), timeTenthsText(time + 600)], ["14:03:22.4", "14:03:23.0"]);
  assert.equal(tickText((time + 620) / 1000), "14:03:23");
  assert.equal(tickText((time + 120) / 1000), ".5");
});

test("text about arrivals", () => {
  const well = { kind: "online", rate_hz: 9.8, latency_ms: 12, age_ms: 90, tally: EMPTY_TALLY };
  const told = (changes) => arrivalText({ ...well, ...changes });
  assert.equal(told({}), "Readings arrive immediately, about 10 per second. None is missing.");
  assert.match(told({ latency_ms: 1_200, rate_hz: 0.4 }), /arrive within 2 s, about one every 2\.5 s/);
  assert.match(told({ latency_ms: 4_000 }), /arrive 4.0 s late, so the connection is too slow/);
  const lost = [0, 1, 1_200].map((lost) => told({ tally: { gaps: 1, lost } }).split(". ")[1]);
  assert.deepEqual(lost, ["Some may be missing.", "One is missing.", "1,200 are missing."]);
  assert.equal(told({ latency_ms: null, age_ms: 12_000 }), "Nothing has arrived for 12 s.");
  assert.match(told({ age_ms: null }), /yet/);
  assert.match(told({ kind: "unknown" }), /not connected/);
  assert.equal(told({ kind: "offline", age_ms: 3_000 }), "Nothing has arrived for 3.0 s: the bike is offline.");
});

test("text of an empty page", () => {
  const told = (state) => emptyPageText("b", { state });
  assert.deepEqual(["connected", "connecting"].map(told), [null, null]);
  assert.match(told("lost"), /when the gateway answers/);
  for (const state of ["disconnected", "closed", "refused"]) assert.match(told(state), /connect to/);
});

test("an address names a bike or none", () => {
  assert.equal(bikeInHash(hashOfBike("ebike-001")), "ebike-001");
  for (const hash of ["", FLEET_HASH, hashOfBike("ebike-001")]) assert.equal(isUnknownRoute(hash), false);
  for (const hash of ["", "#/bikes/", "#/bikes/a b", "#/bikes/<i>", "#/bikes/_x", "#/other"]) {
    assert.equal(bikeInHash(hash), null, hash);
    assert.equal(isUnknownRoute(hash), hash !== "", hash);
  }
});

test("tally of readings", () => {
  const { received, first, last, restart } = countAll([5, 1], [5, 2], [5, 3]);
  assert.deepEqual([received, first, last, restart], [3, "5-1", "5-3", null]);
});

/** Count readings of these epochs and numbers, one a second. */
function countAll(...cursors) {
  const count = (sum, [epoch, seq], second) => countReading(sum, { epoch, seq }, second * 1000);
  return cursors.reduce(count, EMPTY_TALLY);
}

test("text of a board that took over the id of a simulator", () => {
  const well = { kind: "online", rate_hz: 9.8, latency_ms: 12, age_ms: 90 };
  const board = countGap(countAll([1_700_000_000_000, 8], [7, 20], [7, 21]), { lost: null });
  assert.match(
    arrivalText({ ...well, tally: board }),
    / Some may be missing\. At \d\d:\d\d:01 another device took over this id, or the bike's clock was set back\.$/,
  );
});

test("text of a bike with a later epoch", () => {
  const tally = countAll([7, 21], [8, 1], [8, 2]);
  assert.deepEqual(tally.restart, { at_ms: 1000, isBack: false });
  const told = arrivalText({ kind: "online", rate_hz: 0, latency_ms: 12, age_ms: 90, tally });
  assert.match(told, /None is missing\. At \S+ the bike was restarted, or another device took over this id\.$/);
});

test("tally of lost readings", () => {
  const started = countReading(EMPTY_TALLY, { epoch: 5, seq: 1 });
  const tally = countGap(countGap(started, { lost: 7 }), { lost: null });
  assert.deepEqual([tally.gaps, tally.lost], [2, 7]);
});

test("a gap before the first reading", () => {
  assert.equal(countGap(EMPTY_TALLY, { lost: 3 }), EMPTY_TALLY);
});

test("text of gaps", () => {
  assert.equal(gapsText({ gaps: 0, lost: 0 }), "none");
  assert.equal(gapsText({ gaps: 2, lost: 0 }), "2");
  assert.equal(gapsText({ gaps: 2, lost: 1200 }), "2 (1,200 lost)");
});
