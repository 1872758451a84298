/** A web server of another origin than the gateway's. */

import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import { extname, join } from "node:path";

import { ROOT } from "./processes.mjs";

const TYPES = { ".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml" };
const LIBRARY = "gateway/static/vendor/socket.io.esm.min.js";

/** Files that every page of these tests may load. */
export const CLIENTS = {
  "/client.js": join(ROOT, LIBRARY),
  "/spoke.js": join(ROOT, "gateway/static/spoke.js"),
};

/**
 * Serve pages until `scope` ends; returns the origin. `pages` contains texts by path, `files` contains
 * files by path.
 */
export async function startOrigin(scope, { pages = {}, files = CLIENTS }) {
  async function answer(path, response) {
    const page = pages[path];
    const file = files[path];
    if (page === undefined && file === undefined) return response.writeHead(404).end();
    const type = file === undefined ? "text/html" : (TYPES[extname(file)] ?? "text/html");
    response.setHeader("Content-Type", type);
    response.end(file === undefined ? page : await readFile(file));
  }
  const server = createServer(({ url }, response) => {
    answer(new URL(url, "http://origin").pathname, response);
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  scope.after(() => server.close());
  scope.after(() => server.closeAllConnections());
  return `http://127.0.0.1:${server.address().port}`;
}
