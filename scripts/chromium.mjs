/** Start the Chromium of this machine, without a window and without calls home. */

import { existsSync } from "node:fs";
import { delimiter, join } from "node:path";

import { chromium } from "playwright-core";

const NAMES = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"];
const FLAGS = [
  "--no-sandbox", // needed as root, as in a container; the pages are our own
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];

/** Start it with a profile of its own that is gone afterwards; `CHROMIUM` names another one. */
export function launchChromium() {
  return chromium.launch({ executablePath: findChromium(), headless: true, args: FLAGS });
}

function findChromium() {
  const folders = (process.env.PATH ?? "").split(delimiter);
  const places = folders.flatMap((folder) => NAMES.map((name) => join(folder, name)));
  const found = process.env.CHROMIUM ?? places.find((place) => existsSync(place));
  if (!found) throw new Error("there is no Chromium: install it, or set CHROMIUM to where it is");
  return found;
}
