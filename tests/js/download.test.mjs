import assert from "node:assert/strict";
import { test } from "node:test";

import { createDownload } from "../../gateway/static/dashboard/download.js";

const HEADER = "time_utc,v\r\n";
const LATER = () => Response.json({ detail: "ask again" }, { status: 503 });

/** Download from a gateway with these answers, without real delays; the texts and delays of the page. */
async function download(t, answers) {
  const said = [];
  const waits_ms = [];
  let asked = 0;
  t.mock.method(globalThis, "fetch", async () => answers[Math.min(asked++, answers.length - 1)]());
  t.mock.method(globalThis, "setTimeout", (go, wait_ms) => {
    waits_ms.push(wait_ms);
    if (wait_ms < 60_000) queueMicrotask(go);
  });
  const element = {
    classList: { toggle() {} },
    set textContent(text) {
      said.push(text);
    },
  };
  await createDownload(element, { announce() {} }).fetch("b", "/readings");
  return { asked, said, waits_ms: waits_ms.slice(0, -1) };
}

test("a busy gateway is asked again", async (t) => {
  const file = () => new Response(HEADER);
  const { asked, said, waits_ms } = await download(t, [LATER, LATER, file]);
  assert.equal(asked, 3);
  assert.deepEqual(waits_ms, [1_000, 2_000]);
  assert.ok(said.some((text) => /not available yet.*again in 2 s/.test(text)));
  assert.match(said.at(-1), /there are no readings from that time/);
});

test("a download gives up with the reason", async (t) => {
  const { asked, said } = await download(t, [LATER]);
  assert.equal(asked, 6);
  assert.match(said.at(-1), /No file was saved.*ask again/);
});

test("another refusal is final", async (t) => {
  const { asked } = await download(t, [() => Response.json({ detail: "no" }, { status: 404 })]);
  assert.equal(asked, 1);
});
