/** A proxy to a gateway with a limited number of bytes a second. */

import { once } from "node:events";
import { connect, createServer } from "node:net";

const STEP_MS = 50;

/** Listen on a free port; `speed.bytes_s` may change at any time. */
export async function startSlowProxy(t, url, bytes_s) {
  const speed = { bytes_s };
  const target = new URL(url);
  const open = new Set();
  const server = createServer((client) => {
    const gateway = connect(Number(target.port), target.hostname);
    for (const socket of [client, gateway]) {
      open.add(socket);
      socket.on("error", () => socket.destroy()); // either side may close first
      socket.on("close", () => [client, gateway].forEach((one) => one.destroy()));
    }
    client.pipe(gateway);
    trickle(gateway, client, speed);
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  t.after(() => {
    for (const socket of open) socket.destroy();
    server.close();
  });
  return { url: `http://127.0.0.1:${server.address().port}`, speed };
}

/** Forward the allowed bytes of each step; the rest stays unread. */
function trickle(from, to, speed) {
  from.pause();
  const timer = setInterval(() => {
    const allowed = Math.ceil((speed.bytes_s * STEP_MS) / 1000);
    const part = from.read(Math.min(allowed, from.readableLength)) ?? from.read(0);
    if (part) to.write(part);
  }, STEP_MS);
  from.on("close", () => clearInterval(timer));
}
