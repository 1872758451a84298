/** Stock clients that upgrade while they are counted at: `node clients.mjs URL` prints what they missed. */

import { io } from "socket.io-client";

const url = process.argv[2];
const CLIENTS = 20;
const AFTER_UPGRADE = 100;

function follow() {
  return new Promise((done) => {
    const socket = io(url, { forceNew: true, reconnectionDelay: 10 });
    let last = null;
    let upgraded = 0;
    const wrong = [];
    socket.on("n", (number) => {
      if (last !== null && number !== last + 1) wrong.push([last, number]);
      last = number;
      upgraded += socket.io.engine.transport.name === "websocket" ? 1 : 0;
      if (upgraded === AFTER_UPGRADE) {
        socket.disconnect();
        done(wrong);
      }
    });
    socket.on("disconnect", (reason) => reason === "io client disconnect" || wrong.push(reason));
  });
}

async function ready() {
  for (;;) {
    const answer = await fetch(`${url}/socket.io/?EIO=4&transport=polling`).catch(() => null);
    if (answer?.ok) return;
    await new Promise((done) => setTimeout(done, 50));
  }
}

await ready();
const wrong = await Promise.all(Array.from({ length: CLIENTS }, follow));
process.stdout.write(JSON.stringify(wrong));
process.exit(0);
