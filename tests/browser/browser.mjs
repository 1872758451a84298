/** A real Chromium, and helpers that read the page. */

import assert from "node:assert/strict";
import { mkdirSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";

import { launchChromium } from "../../scripts/chromium.mjs";
import { ROOT } from "./processes.mjs";
import { eventually, POLL_MS, WAIT_MS } from "./waiting.mjs";

const OUTPUT = join(ROOT, "tests", "browser", "output");
const AXE = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

/** Start Chromium for the tests of one file; `newPage(t)` opens a page that ends with its test. */
export async function startBrowser(after) {
  const browser = await launchChromium();
  after(() => browser.close());
  return {
    async newPage(t, options = {}) {
      const context = await browser.newContext({
        viewport: { width: 1280, height: 900 },
        ...options,
      });
      context.setDefaultTimeout(WAIT_MS);
      t.after(() => context.close());
      const page = await context.newPage();
      const complaints = [];
      page.on("console", (message) => {
        const { url } = message.location(); // of a resource that could not be loaded, too
        complaints.push(`${message.type()}: ${message.text()} (${url})`);
      });
      page.on("pageerror", (error) => complaints.push(`error: ${error.message}`));
      return { page, complaints };
    },
  };
}

/** Wait until the text of an element matches, also within closed details. */
export async function waitForText(page, id, pattern) {
  await page.waitForFunction(
    ([id, source]) => {
      const element = document.getElementById(id);
      return new RegExp(source).test(element?.innerText || (element?.textContent ?? ""));
    },
    [id, pattern.source],
    { polling: POLL_MS },
  );
}

/** The received readings that the page shows, read at one moment. */
export async function readTally(page) {
  const [received, first, last, gaps] = await page.evaluate(() =>
    ["received", "first", "last", "gaps"].map((id) => document.getElementById(id).textContent),
  );
  const seqOf = (cursor) => Number(cursor.split("-")[1]);
  return {
    received: Number(received.replaceAll(",", "")),
    first: seqOf(first),
    last: seqOf(last),
    gaps,
    lost: Number(/\((\d+) lost\)/.exec(gaps.replaceAll(",", ""))?.[1] ?? 0),
  };
}

/** Wait until the page received reading number `seq` or a later one. */
export function waitForSeq(page, seq) {
  return eventually(`reading ${seq}`, async () => (await readTally(page)).last >= seq);
}

/** Assert that nothing is wider than the window, with normal fonts and with letters a sixth wider. */
export async function assertNothingSticksOut(page) {
  for (const font of ["DejaVu Sans", ""]) {
    const [content, window, wide] = await page.evaluate((name) => {
      document.body.style.fontFamily = name;
      const { scrollWidth, clientWidth } = document.documentElement;
      const sticksOut = (element) => element.getBoundingClientRect().right > clientWidth + 0.5;
      const wide = [...document.querySelectorAll("body *")].filter(sticksOut);
      return [scrollWidth, clientWidth, wide.map(({ id, tagName }) => id || tagName)];
    }, font);
    assert.ok(content <= window, `${content} px in ${window} px: ${wide}`);
  }
}

/** Assert the same with letters twice as large (WCAG 2.2, 1.4.4 and 1.4.10). */
export async function assertLargeLettersFit(page) {
  const setLetters = (size) => (document.documentElement.style.fontSize = size);
  await page.evaluate(setLetters, "200%");
  for (const width of [1280, 390, 320]) {
    await page.setViewportSize({ width, height: 800 });
    await assertNothingSticksOut(page);
  }
  await page.evaluate(setLetters, "");
}

/** The file that a click on `selector` saves: its name and its text. */
export async function download(page, selector) {
  const [file] = await Promise.all([page.waitForEvent("download"), page.click(selector)]);
  return { name: file.suggestedFilename(), text: readFileSync(await file.path(), "utf8") };
}

/**
 * Save screenshots of a state; axe must find no violation in it. The schemes differ only in colours: the
 * other rules are checked once.
 */
export async function showState(page, name, schemes = ["light", "dark"]) {
  mkdirSync(OUTPUT, { recursive: true });
  await page.evaluate(AXE);
  for (const colorScheme of schemes) {
    await page.emulateMedia({ colorScheme });
    await page.screenshot({ path: join(OUTPUT, `${name}-${colorScheme}.png`) });
    const rules = colorScheme === schemes[0] ? {} : { runOnly: ["color-contrast"] };
    const found = await page.evaluate(
      (options) => axe.run({ ...options, resultTypes: ["violations"] }),
      rules,
    );
    assert.deepEqual(found.violations.map(describeViolation), [], `${name}, ${colorScheme}`);
  }
}

function describeViolation({ id, nodes }) {
  return `${id}: ${nodes.map(({ html, any }) => `${html} ${any[0]?.message ?? ""}`).join(" | ")}`;
}
