/** Copy the browser libraries from node_modules to the folder that the gateway serves. */

import { copyFile, mkdir } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const ROOT = dirname(dirname(fileURLToPath(import.meta.url)));
const TARGET = join(ROOT, "gateway", "static", "vendor");

/** Paths below node_modules, and the names of the copies. */
const FILES = {
  "socket.io-client/dist/socket.io.esm.min.js": "socket.io.esm.min.js",
  "socket.io-client/dist/socket.io.esm.min.js.map": "socket.io.esm.min.js.map",
  "socket.io-client/LICENSE": "socket.io.LICENSE",
  "uplot/dist/uPlot.esm.js": "uPlot.esm.js",
  "uplot/dist/uPlot.min.css": "uPlot.min.css",
  "uplot/LICENSE": "uPlot.LICENSE",
};

async function copyAll() {
  await mkdir(TARGET, { recursive: true });
  for (const [source, name] of Object.entries(FILES)) {
    await copyFile(join(ROOT, "node_modules", source), join(TARGET, name));
  }
}

try {
  await copyAll();
  console.log(`vendor: ${Object.keys(FILES).length} files in gateway/static/vendor`);
} catch (error) {
  console.error(`vendor: cannot copy ${basename(error.path ?? "")} (${error.code}): run npm ci first`);
  process.exitCode = 1;
}
