import assert from "node:assert/strict";
import { test } from "node:test";

import {
  applyAnswer,
  createBikeState,
  newestMoment,
} from "../../gateway/static/dashboard/bike_state.js";
import {
  readingAt,
  readingAtEnd,
  stepFrom,
  viewOf,
} from "../../gateway/static/dashboard/chart_view.js";
import { rowsOf } from "../../gateway/static/dashboard/history_rows.js";
import {
  missingReason,
  missingSpan,
  NOT_REQUESTED,
  oldestTime,
  requestAgain,
} from "../../gateway/static/dashboard/history_state.js";
import { allCsvUrl, historyUrl, spanCsvUrl } from "../../gateway/static/dashboard/readings_urls.js";
import * as range from "../../gateway/static/dashboard/time_range.js";
import {
  addGap,
  addReading,
  createTrack,
  firstTime,
  lastTime,
} from "../../gateway/static/dashboard/track.js";

const HOUR_MS = 3_600_000;

function reading(seq, ts_ms, values = {}) {
  return { device_id: "b", epoch: 1, seq, ts_ms, speed_kmh: seq, ...values };
}

/** The viewport of a range at 1000 s, of a bike whose oldest reading is at `oldest`. */
function viewportOf(given, oldest = 0) {
  const bounds = range.fitToHistory(given, range.boundsOf(given, 1000), oldest);
  return { range: given, bounds, oldest, now: 1000 };
}

test("panning stops and resumes following", () => {
  const moved = range.panned(viewportOf(range.following(60)), -30);
  assert.deepEqual(range.boundsOf(moved, 2000), [910, 970]);
  assert.equal(range.isFollowing(moved), false);
  assert.equal(range.isFollowing(range.panned(viewportOf(moved), 30)), true);
});

test("zooming keeps the pointed moment", () => {
  const held = range.panned(viewportOf(range.following(100)), -500);
  const zoomed = range.zoomed(viewportOf(held), 0.5, 425);
  assert.deepEqual(range.boundsOf(zoomed, 1000), [412.5, 462.5]);
});

test("zooming has limits", () => {
  const near = range.zoomed(viewportOf(range.following(60)), 0.001, 0);
  assert.deepEqual(range.boundsOf(near, 1000), [995, 1000]);
  assert.equal(range.zoomed(viewportOf(near), 1e9, 0).span_s, 21_600);
});

test("the latest has the chosen window", () => {
  const near = range.zoomed(viewportOf(range.zoomed(viewportOf(range.following(600)), 0.5, 0)), 0.5, 0);
  const moved = range.zoomed(viewportOf(range.panned(viewportOf(near), -100)), 0.5, 900);
  assert.deepEqual([near.span_s, moved.span_s], [150, 75]);
  for (const one of [near, moved]) {
    assert.equal(range.isLatest(one), false);
    assert.deepEqual(range.latest(one), range.following(600));
  }
  assert.equal(range.isLatest(range.following(600)), true);
});

test("moves stop at the oldest reading", () => {
  const held = range.panned(viewportOf(range.following(60), 800), -1e9);
  assert.deepEqual(range.boundsOf(held, 1000), [797.6, 857.6]);
  const wider = range.zoomed(viewportOf(held, 800), 2, 1000);
  assert.deepEqual(range.boundsOf(wider, 1000), [795.2, 915.2]);
  assert.equal(range.isFollowing(range.zoomed(viewportOf(wider, 800), 2, 800)), true);
});

test("zooming a short ride", () => {
  const all = range.following(300);
  assert.deepEqual(range.panned(viewportOf(all, 960), -10), all);
  assert.deepEqual(range.zoomed(viewportOf(all, 960), 2, 980), all);
  assert.equal(range.zoomed(viewportOf(all, 950), 0.5, 980).span_s, 26);
});

test("a new ride fills the charts", () => {
  const [from] = range.fitToHistory(range.following(300), [700, 1000], 900);
  assert.ok(from > 890 && from < 900, `${from}`);
  assert.deepEqual(range.fitToHistory(range.following(300), [700, 1000], 999), [968.8, 1000]);
  assert.deepEqual(range.fitToHistory(range.following(300), [700, 1000], null), [700, 1000]);
  const held = range.panned(viewportOf(range.following(300)), -10);
  assert.deepEqual(range.fitToHistory(held, [690, 990], 900), [690, 990]);
});

test("an unknown window is the default", () => {
  assert.deepEqual([60, 61, NaN].map(range.validWindow), [60, 300, 300]);
});

function trackWithGap() {
  const track = createTrack();
  addReading(track, reading(1, 0), 100);
  addGap(track);
  addReading(track, reading(4, 0), 104);
  addReading(track, reading(5, 0), 105);
  return track;
}

test("holes of a view", () => {
  const view = viewOf(trackWithGap(), [90, 110], 100);
  assert.deepEqual(view.holes, [
    { from: -Infinity, to: 100 },
    { from: 100, to: 104 },
  ]);
});

test("hole after a silent bike", () => {
  const view = viewOf(trackWithGap(), [95, 115], 100, 115);
  assert.deepEqual(view.holes.at(-1), { from: 105, to: Infinity });
  assert.equal(readingAtEnd(view).reading.seq, 5);
  assert.equal(readingAt(view, 110), null);
  assert.equal(viewOf(trackWithGap(), [95, 109], 100).holes.at(-1).to, 104, "not silent yet");
  assert.equal(viewOf(trackWithGap(), [90, 103], 100, 115).holes.at(-1).to, 104, "not in sight");
});

test("opening an offline bike", () => {
  const shown = createBikeState();
  const latest = reading(9, 50_000);
  applyAnswer(shown, { online: false, latest }, 99_000);
  applyAnswer(shown, { online: false, latest }, 100_000);
  assert.deepEqual([firstTime(shown.track), lastTime(shown.track)], [50, 50]);
  assert.equal(newestMoment(shown, false, 100), 60);
});

test("the pointer finds the nearest reading", () => {
  const view = viewOf(trackWithGap(), [90, 110], 100);
  assert.equal(readingAt(view, 104.4).reading.seq, 4);
  assert.equal(readingAt(view, 102), null);
  assert.equal(readingAt(view, 109), null);
  assert.equal(readingAt(view, 99.4), null, "before the first");
  assert.equal(readingAt({ ...view, rows: [] }, 104), null);
});

test("reading at the right edge", () => {
  const endOf = (...bounds) => readingAtEnd(viewOf(trackWithGap(), bounds, 100))?.reading.seq;
  assert.deepEqual([endOf(90, 110), endOf(104, 104.9), endOf(90, 100)], [5, 4, undefined]);
  assert.deepEqual([endOf(80, 99), endOf(101, 103), endOf(106, 110)], Array(3).fill(undefined));
  assert.equal(readingAtEnd(viewOf(createTrack(), [0, 1], 100)), null);
});

test("the pointer steps over gaps", () => {
  const view = viewOf(trackWithGap(), [90, 110], 100);
  assert.equal(stepFrom(view, 104, -1).reading.seq, 1);
  assert.equal(stepFrom(view, 100, 1).reading.seq, 4);
  assert.equal(stepFrom(view, 105, 1), null);
});

test("a missing span is requested once", () => {
  const span = missingSpan(NOT_REQUESTED, 950, [700, 1000]);
  assert.deepEqual(span, { from: 550, to: 950 });
  const asked = { from: 550, isLoading: false };
  assert.equal(missingSpan(asked, 950, [600, 900]), null);
  assert.equal(missingSpan({ ...asked, isLoading: true }, 950, [100, 900]), null);
  assert.equal(missingSpan(NOT_REQUESTED, 699, [700, 1000]), null);
});

test("no request before the oldest reading", () => {
  const answered = { from: 550, oldest: 950, isLoading: false };
  assert.equal(missingSpan(answered, 950, [100, 1000]), null);
  const anew = missingSpan(requestAgain(answered), 950, [100, 1000]);
  assert.deepEqual(anew, { from: -350, to: 950 });
  assert.equal(oldestTime(requestAgain(answered), 950), 950);
  assert.equal(oldestTime(NOT_REQUESTED, 950), null);
});

test("an empty track requests everything", () => {
  assert.deepEqual(missingSpan(NOT_REQUESTED, null, [0, 100]), { from: -50, to: 100 });
});

test("URLs use the bike's time", () => {
  const url = historyUrl("b", { from: 7_200, to: 7_300 }, HOUR_MS);
  assert.match(
    url,
    /\/api\/v1\/devices\/b\/readings\?from_ms=3600000&to_ms=3700000&max_points=1500$/,
  );
  assert.match(historyUrl("b", { from: -5, to: -4 }, 0), /from_ms=0&to_ms=0/);
  assert.match(spanCsvUrl("b", { from: 1, to: 2 }, 0), /from_ms=1000&to_ms=2000&format=csv&times=utc$/);
  assert.match(allCsvUrl("b"), /from_ms=0&format=csv&times=utc$/);
});

function answerOf(seqs, gaps = []) {
  return { readings: seqs.map((seq) => reading(seq, seq * 1000)), gaps };
}

test("an answer becomes rows", () => {
  const rows = rowsOf(answerOf([1, 2, 3, 4]), HOUR_MS, 3_601, 3_604);
  assert.deepEqual(
    rows.map(({ t }) => t),
    [3_602, 3_603],
  );
});

test("breaks within an answer", () => {
  const gap = { after: "1-2", before: "1-4", lost: 1 };
  const rows = rowsOf(answerOf([1, 2, 4, 5], [gap]), 0, 0, 6);
  assert.deepEqual(
    rows.map(({ t }) => t),
    [1, 2, 3, 4, 5],
  );
  const silent = rowsOf(answerOf([1, 2, 3, 4, 5, 6, 7, 90]), 0, 0, 91);
  assert.equal(silent.filter((row) => row.reading === null).length, 1);
});

test("a break at an answer's end", () => {
  const seam = rowsOf(answerOf([1, 2, 3]), 0, 0, 63);
  assert.deepEqual(seam.at(-1), { t: 33, reading: null });
  assert.deepEqual(rowsOf(answerOf([]), 0, 0, 63), []);
});

test("reasons for missing readings", () => {
  const asked = { from: 600, oldest: 900, isLoading: false };
  const told = (given, first) => missingReason(given, first, [700, 1000]);
  assert.equal(told(asked, 900), "not kept");
  assert.equal(told({ ...asked, isLoading: true }, 900), "loading");
  for (const first of [900, null]) assert.equal(told(NOT_REQUESTED, first), "loading");
  assert.deepEqual([told(asked, 701), told(asked, null)], [null, null]);
  assert.equal(told({ ...asked, oldest: 300 }, 900), null, "silent");
});
