/**
 * Take the README's picture of the dashboard from a running Spoke:
 *
 *   npm run screenshot [URL] [FILE]
 */

import { launchChromium } from "./chromium.mjs";

const [url = "http://localhost:5000/", file = "docs/images/dashboard.png"] = process.argv.slice(2);
const READINGS_MIN = 1_200; // two minutes of the simulator: a line worth looking at
const WAIT_MS = 150_000;

const browser = await launchChromium();
try {
  const page = await browser.newPage({ viewport: { width: 1180, height: 840 } });
  await page.goto(url);
  await page.waitForFunction(
    (least) => Number(document.getElementById("received").textContent.replaceAll(",", "")) >= least,
    READINGS_MIN,
    { timeout: WAIT_MS },
  );
  await page.screenshot({ path: file });
  console.log(`screenshot: ${file}`);
} catch (error) {
  console.error(`screenshot: ${url} shows no readings: ${error.message.split("\n")[0]}`);
  process.exitCode = 1;
} finally {
  await browser.close();
}
