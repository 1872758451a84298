/** Fetch the past of the bike shown from the gateway, as far as the charts reach. */

import { missingSpan, oldestUrl, pastUrl, rowsOf } from "./past.js";
import { firstTime, insertPast } from "./track.js";

const ASK_AGAIN_MS = 3_000; // a gateway that did not answer is left alone for a moment

/**
 * @param isShown whether a bike's state is still the one on the page
 * @param onRows called when rows were added
 */
export function createHistory(isShown, onRows) {
  return {
    /** Ask for what the charts show and the track does not hold. */
    fill(id, shown, bounds) {
      const span = missingSpan(shown.past, firstTime(shown.track), bounds);
      if (span === null) return;
      shown.past = { ...shown.past, isAsking: true };
      Promise.all([askFor(id, shown, span), askOldest(id, shown)])
        .then(([rows, oldest]) => take(shown, rows, { from: span.from, oldest }))
        .catch(() => setTimeout(giveBack, ASK_AGAIN_MS, shown));
    },
    /** Ask for what a gap left out: the device's journal may hold what the stream lost. */
    fillHole(id, shown) {
      const { hole } = shown;
      shown.hole = null;
      askFor(id, shown, hole)
        .then((rows) => isShown(shown) && (insertPast(shown.track, rows), onRows(shown)))
        .catch(() => {}); // the gap stays, as it was announced
    },
  };

  function take(shown, rows, { from, oldest }) {
    if (!isShown(shown)) return;
    const first = firstTime(shown.track) ?? Infinity; // live readings came while this was asked
    insertPast(
      shown.track,
      rows.filter(({ t }) => t < first),
    );
    shown.past = { from, oldest, isAsking: false };
    onRows(shown);
  }
}

function giveBack(shown) {
  shown.past = { ...shown.past, isAsking: false };
}

/** The rows strictly inside a span; none of a bike that the gateway does not know. */
async function askFor(id, { offset_ms }, span) {
  const answer = await ask(pastUrl(id, span, offset_ms));
  return answer ? rowsOf(answer, offset_ms, span.from, span.to) : [];
}

/** The time of the oldest reading that is kept; Infinity when there is none. */
async function askOldest(id, { offset_ms }) {
  const oldest = (await ask(oldestUrl(id)))?.readings[0];
  return oldest ? (oldest.ts_ms + offset_ms) / 1000 : Infinity;
}

async function ask(url) {
  const answer = await fetch(url);
  if (answer.status === 404) return null;
  if (!answer.ok) throw new Error(`the gateway answered ${answer.status}`);
  return answer.json();
}
