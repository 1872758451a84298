/**
 * Take the README's picture of the dashboard from a running Spoke:
 *
 *   npm run screenshot [URL] [FILE]
 */

import { launchChromium } from "./chromium.mjs";

const [url = "http://localhost:5000/", file = "docs/images/dashboard.png"] = process.argv.slice(2);
const READINGS_MIN = 1_200; // two minutes of the simulator: a line worth looking at
const SPEED_MIN_KMH = 15; // at a red light the picture would show nothing moving
const WAIT_MS = 240_000;

const browser = await launchChromium();
try {
  const page = await browser.newPage({ viewport: { width: 1180, height: 840 } });
  await page.goto(url);
  await page.waitForFunction(
    ([readings, speed_kmh]) => {
      const shown = (id) => Number(document.getElementById(id).textContent.replaceAll(",", ""));
      return shown("received") >= readings && shown("speed") >= speed_kmh;
    },
    [READINGS_MIN, SPEED_MIN_KMH],
    { timeout: WAIT_MS },
  );
  await page.screenshot({ path: file });
  console.log(`screenshot: ${file}`);
} catch (error) {
  console.error(`screenshot: ${url} cannot be pictured: ${error.message.split("\n")[0]}`);
  process.exitCode = 1;
} finally {
  await browser.close();
}
