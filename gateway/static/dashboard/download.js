/** Download readings as a file, and show the progress. */

import {
  failureText,
  fetchingText,
  fileName,
  linesIn,
  NOTHING_THERE,
  savedText,
  waitingText,
} from "./csv.js";
import { setNotice } from "./elements.js";
import { debounce, retryDelay, sleep } from "./scheduling.js";

const READ_MS = 60_000; // long enough for readers who looked elsewhere
const LATER = 503; // HTTP status: the bike's journal did not answer in time, or the gateway is busy

/** `fetch` downloads one file at a time; `forget` removes the message about the last one. */
export function createDownload(element, announcer) {
  let isBusy = false;
  const forget = () => isBusy || show(element, null);
  const forgetRead = debounce(forget, READ_MS);
  async function fetch(id, url) {
    if (isBusy) return;
    isBusy = true;
    const begun = fetchingText(id, 0);
    announcer.announce(begun);
    show(element, begun);
    const { text, isProblem } = await save(id, url, {
      onCount: (count) => show(element, fetchingText(id, count)),
      onWait: (wait_ms) => show(element, waitingText(id, wait_ms)),
    });
    isBusy = false;
    announcer.announce(text);
    show(element, text, isProblem);
    forgetRead();
  }
  return { fetch, forget };
}

function show(element, text, isProblem = false) {
  setNotice(element, text);
  element.classList.toggle("notice", isProblem);
}

/** Save a file; the result in words. */
async function save(id, url, progress) {
  try {
    const { parts, count, isIncomplete } = await fetchParts(url, progress);
    if (count <= 0) return { text: NOTHING_THERE, isProblem: true };
    const name = fileName(id, parts.join(""));
    handOver(name, parts);
    return { text: savedText(name, count, isIncomplete), isProblem: false };
  } catch (error) {
    return { text: failureText(error.cause), isProblem: true };
  }
}

/** The parts of a file as they arrive, and the number of readings in them. */
async function fetchParts(url, { onCount, onWait }) {
  const answer = await fetchPatiently(url, onWait);
  if (!answer.ok) throw new Error("refused", { cause: (await answer.json()).detail });
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
  const parts = [];
  let lines = 0;
  for (let part = await reader.read(); !part.done; part = await reader.read()) {
    parts.push(part.value);
    lines += linesIn(part.value);
    onCount(Math.max(lines - 1, 0)); // minus the header
  }
  return { parts, count: lines - 1, isIncomplete: answer.headers.has("Spoke-Incomplete") };
}

/** Repeat a request that the gateway refused for now, with growing delays. */
async function fetchPatiently(url, onWait) {
  for (let asked = 1; ; asked += 1) {
    const answer = await fetch(url);
    const wait_ms = answer.status === LATER ? retryDelay(asked) : undefined;
    if (wait_ms === undefined) return answer;
    onWait(wait_ms);
    await sleep(wait_ms);
  }
}

function handOver(name, parts) {
  const url = URL.createObjectURL(new Blob(parts, { type: "text/csv" }));
  const anchor = document.createElement("a");
  anchor.href = url;
  anchor.download = name;
  anchor.click();
  URL.revokeObjectURL(url);
}
