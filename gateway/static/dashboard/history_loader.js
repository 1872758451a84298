/** Load the past of the open bike from the gateway, as far back as the charts show. */

import { rowsAfterLastBreak, rowsOf } from "./history_rows.js";
import { missingSpan } from "./history_state.js";
import { historyUrl, oldestUrl } from "./readings_urls.js";
import { retryDelay, sleep } from "./scheduling.js";
import { firstTime, insertHistory, statedInterval } from "./track.js";

const ERROR_DELAY_MS = 3_000; // before the next request after one that failed

/**
 * @param isShown tells whether a bike's state is still the one on the page
 * @param onRows called after rows were added
 */
export function createHistoryLoader(isShown, onRows) {
  return {
    /** Load the part of the charts that the track does not hold. */
    load(id, shown, bounds) {
      const span = missingSpan(shown.history, firstTime(shown.track), bounds);
      if (span === null) return;
      shown.history = { ...shown.history, isLoading: true };
      loadSpan(id, shown, span).catch(() => setTimeout(stopLoading, ERROR_DELAY_MS, shown));
    },
    /** Load the readings of a gap: the bike's journal may have them. */
    loadHole(id, shown) {
      const { hole } = shown;
      shown.hole = null;
      fetchUntilComplete(id, shown, hole)
        .then((rows) => isShown(shown) && (insertHistory(shown.track, rows), onRows(shown)))
        .catch(() => {}); // the gap stays as it was announced
    },
  };

  /** Ask until the answer is complete. Meanwhile the page shows the certain part of it. */
  async function loadSpan(id, shown, span) {
    const requested = shown.history;
    const isCurrent = () => isShown(shown) && shown.history === requested;
    for (let attempts = 1; ; attempts += 1) {
      const to = Math.min(span.to, firstTime(shown.track) ?? Infinity);
      const answers = await Promise.all([
        fetchRows(id, shown, { ...span, to }),
        fetchOldest(id, shown),
      ]);
      const [{ rows }, { oldest }] = answers;
      const isComplete = !answers.some((answer) => answer.isIncomplete);
      const wait_ms = isComplete ? undefined : retryDelay(attempts);
      if (!isCurrent()) return;
      if (wait_ms === undefined) {
        shown.history = {
          from: span.from,
          oldest: oldest ?? shown.history.oldest,
          isLoading: false,
          isIncomplete: !isComplete,
        };
        return add(shown, rows);
      }
      add(shown, rowsAfterLastBreak(rows));
      await sleep(wait_ms);
      if (!isCurrent()) return;
    }
  }

  function add(shown, rows) {
    const first = firstTime(shown.track) ?? Infinity; // live readings arrived during the request
    insertHistory(
      shown.track,
      rows.filter(({ t }) => t < first),
    );
    onRows(shown);
  }

  async function fetchUntilComplete(id, shown, span) {
    for (let attempts = 1; ; attempts += 1) {
      const { rows, isIncomplete } = await fetchRows(id, shown, span);
      const wait_ms = isIncomplete ? retryDelay(attempts) : undefined;
      if (wait_ms === undefined || !isShown(shown)) return rows;
      await sleep(wait_ms);
    }
  }
}

function stopLoading(shown) {
  shown.history = { ...shown.history, isLoading: false };
}

/** The rows strictly inside a span; none if the gateway does not know the bike. */
async function fetchRows(id, { offset_ms, track }, span) {
  const answer = await fetchJson(historyUrl(id, span, offset_ms));
  if (!answer) return { rows: [], isIncomplete: false };
  const rows = rowsOf(answer, offset_ms, span.from, span.to, statedInterval(track));
  return { rows, isIncomplete: answer.incomplete === true };
}

/**
 * The time of the oldest reading that the gateway or the bike has: Infinity if there is none, null
 * if the bike did not answer.
 */
async function fetchOldest(id, { offset_ms }) {
  const answer = await fetchJson(oldestUrl(id));
  if (answer?.incomplete === true) return { oldest: null, isIncomplete: true };
  const oldest = answer?.readings[0];
  return { oldest: oldest ? (oldest.ts_ms + offset_ms) / 1000 : Infinity, isIncomplete: false };
}

async function fetchJson(url) {
  const answer = await fetch(url);
  if (answer.status === 404) return null;
  if (!answer.ok) throw new Error(`the gateway answered ${answer.status}`);
  return answer.json();
}
