/** Start Chromium without a window and without background network requests. */

import { existsSync } from "node:fs";
import { delimiter, join } from "node:path";

import { chromium } from "playwright-core";

const NAMES = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"];
const FLAGS = [
  "--no-sandbox", // needed for root, for example in a container; all pages are our own
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];

/** Start it with a temporary profile. `CHROMIUM` can name another program. */
export function launchChromium() {
  return chromium.launch({ executablePath: findChromium(), headless: true, args: FLAGS });
}

function findChromium() {
  const folders = (process.env.PATH ?? "").split(delimiter);
  const places = folders.flatMap((folder) => NAMES.map((name) => join(folder, name)));
  const found = process.env.CHROMIUM ?? places.find((place) => existsSync(place));
  if (!found) throw new Error("Chromium is missing: install it, or set CHROMIUM to its path");
  return found;
}
