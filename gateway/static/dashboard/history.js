/** Fetch the past of the bike shown from the gateway, as far as the charts reach. */

import { pause } from "./loop.js";
import { missingSpan, oldestUrl, pastUrl, rowsOf, unbroken, waitBefore } from "./past.js";
import { firstTime, insertPast, intervalTold } from "./track.js";

const ASK_AGAIN_MS = 3_000; // a gateway that did not answer is left alone for a moment

/**
 * @param isShown whether a bike's state is still the one on the page
 * @param onRows called when rows were added
 */
export function createHistory(isShown, onRows) {
  return {
    /** Ask for the part of the charts that the track does not hold. */
    fill(id, shown, bounds) {
      const span = missingSpan(shown.past, firstTime(shown.track), bounds);
      if (span === null) return;
      shown.past = { ...shown.past, isAsking: true };
      fillSpan(id, shown, span).catch(() => setTimeout(giveBack, ASK_AGAIN_MS, shown));
    },
    /** Ask for the readings of a gap: the device's journal may hold them. */
    fillHole(id, shown) {
      const { hole } = shown;
      shown.hole = null;
      askUntilWhole(id, shown, hole)
        .then((rows) => isShown(shown) && (insertPast(shown.track, rows), onRows(shown)))
        .catch(() => {}); // the gap stays, as it was announced
    },
  };

  /** Ask until the answer is whole. The page shows the known part of it meanwhile. */
  async function fillSpan(id, shown, span) {
    const asking = shown.past;
    const isWanted = () => isShown(shown) && shown.past === asking;
    for (let asked = 1; ; asked += 1) {
      const to = Math.min(span.to, firstTime(shown.track) ?? Infinity);
      const found = await Promise.all([askFor(id, shown, { ...span, to }), askOldest(id, shown)]);
      const [{ rows }, { oldest }] = found;
      const wait_ms = found.some(({ isIncomplete }) => isIncomplete) ? waitBefore(asked) : null;
      const isIncomplete = wait_ms === undefined;
      if (!isWanted()) return;
      if (wait_ms === null || isIncomplete) {
        const known = oldest ?? shown.past.oldest;
        shown.past = { from: span.from, oldest: known, isAsking: false, isIncomplete };
        return add(shown, rows);
      }
      add(shown, unbroken(rows));
      await pause(wait_ms);
      if (!isWanted()) return;
    }
  }

  function add(shown, rows) {
    const first = firstTime(shown.track) ?? Infinity; // live readings came while this was asked
    insertPast(
      shown.track,
      rows.filter(({ t }) => t < first),
    );
    onRows(shown);
  }

  async function askUntilWhole(id, shown, span) {
    for (let asked = 1; ; asked += 1) {
      const { rows, isIncomplete } = await askFor(id, shown, span);
      const wait_ms = isIncomplete ? waitBefore(asked) : undefined;
      if (wait_ms === undefined || !isShown(shown)) return rows;
      await pause(wait_ms);
    }
  }
}

function giveBack(shown) {
  shown.past = { ...shown.past, isAsking: false };
}

/** The rows strictly inside a span; none of a bike that the gateway does not know. */
async function askFor(id, { offset_ms, track }, span) {
  const answer = await ask(pastUrl(id, span, offset_ms));
  if (!answer) return { rows: [], isIncomplete: false };
  const rows = rowsOf(answer, offset_ms, span.from, span.to, intervalTold(track));
  return { rows, isIncomplete: answer.incomplete === true };
}

/**
 * The time of the oldest reading that is kept: Infinity when there is none, null when the bike did
 * not say.
 */
async function askOldest(id, { offset_ms }) {
  const answer = await ask(oldestUrl(id));
  if (answer?.incomplete === true) return { oldest: null, isIncomplete: true };
  const oldest = answer?.readings[0];
  return { oldest: oldest ? (oldest.ts_ms + offset_ms) / 1000 : Infinity, isIncomplete: false };
}

async function ask(url) {
  const answer = await fetch(url);
  if (answer.status === 404) return null;
  if (!answer.ok) throw new Error(`the gateway answered ${answer.status}`);
  return answer.json();
}
