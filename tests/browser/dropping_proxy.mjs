/** A proxy to a gateway that can drop a connection while an answer is on its way. */

import { once } from "node:events";
import { connect, createServer } from "node:net";

/** Listen on a free port; `dropNext()` resolves after an answer on a kept connection was dropped. */
export async function startDroppingProxy(t, url) {
  const target = new URL(url);
  const open = new Set();
  let dropped = null;
  const server = createServer((client) => {
    const gateway = connect(Number(target.port), target.hostname);
    let answers = 0;
    for (const socket of [client, gateway]) {
      open.add(socket);
      socket.on("error", () => socket.destroy()); // either side may close first
      socket.on("close", () => [client, gateway].forEach((one) => one.destroy()));
    }
    client.pipe(gateway);
    gateway.on("data", (part) => {
      if (!dropped || answers === 0) {
        answers += 1;
        client.write(part);
        return;
      }
      const done = dropped;
      dropped = null;
      client.resetAndDestroy();
      done();
    });
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  t.after(() => {
    for (const socket of open) socket.destroy();
    server.close();
  });
  return {
    url: `http://127.0.0.1:${server.address().port}`,
    dropNext: () => new Promise((resolve) => (dropped = resolve)),
  };
}
