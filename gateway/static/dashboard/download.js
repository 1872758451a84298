/** Fetch readings as a file, say how far it is, and hand it to the reader. */

import {
  failureWord,
  fetchingWord,
  fileName,
  linesIn,
  NOTHING_THERE,
  savedWord,
  waitingWord,
} from "./csv.js";
import { setNotice } from "./elements.js";
import { createRest, pause } from "./loop.js";
import { waitBefore } from "./past.js";

const READ_MS = 60_000; // by then it was read, also by whoever looked elsewhere meanwhile
const LATER = 503; // the bike's journal did not answer in time, or the gateway is busy

/** `fetch` fetches one file at a time; `forget` lets go what was said of the last one. */
export function createDownload(element, announcer) {
  let isBusy = false;
  const forget = () => isBusy || show(element, null);
  const forgetRead = createRest(forget, READ_MS);
  async function fetch(id, url) {
    if (isBusy) return;
    isBusy = true;
    const begun = fetchingWord(id, 0);
    announcer.tell(begun);
    show(element, begun);
    const { text, isProblem } = await save(id, url, {
      onCount: (count) => show(element, fetchingWord(id, count)),
      onWait: (wait_ms) => show(element, waitingWord(id, wait_ms)),
    });
    isBusy = false;
    announcer.tell(text);
    show(element, text, isProblem);
    forgetRead();
  }
  return { fetch, forget };
}

function show(element, text, isProblem = false) {
  setNotice(element, text);
  element.classList.toggle("notice", isProblem);
}

/** Save a file; what came of it in words. */
async function save(id, url, progress) {
  try {
    const { parts, count, isIncomplete } = await fetchParts(url, progress);
    if (count <= 0) return { text: NOTHING_THERE, isProblem: true };
    const name = fileName(id, parts.join(""));
    handOver(name, parts);
    return { text: savedWord(name, count, isIncomplete), isProblem: false };
  } catch (error) {
    return { text: failureWord(error.cause), isProblem: true };
  }
}

/** The parts of a file as they come, and how many readings are in them. */
async function fetchParts(url, { onCount, onWait }) {
  const answer = await fetchPatiently(url, onWait);
  if (!answer.ok) throw new Error("refused", { cause: (await answer.json()).detail });
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
  const parts = [];
  let lines = 0;
  for (let part = await reader.read(); !part.done; part = await reader.read()) {
    parts.push(part.value);
    lines += linesIn(part.value);
    onCount(Math.max(lines - 1, 0)); // the first is the header
  }
  return { parts, count: lines - 1, isIncomplete: answer.headers.has("Spoke-Incomplete") };
}

/** Ask again, ever later, while the gateway says that asking later helps. */
async function fetchPatiently(url, onWait) {
  for (let asked = 1; ; asked += 1) {
    const answer = await fetch(url);
    const wait_ms = answer.status === LATER ? waitBefore(asked) : undefined;
    if (wait_ms === undefined) return answer;
    onWait(wait_ms);
    await pause(wait_ms);
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
