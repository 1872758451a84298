/**
 * Stock clients that upgrade while they are counted at, and count themselves before they are
 * connected: `node clients.mjs URL` prints what either side missed.
 */

import { io } from "socket.io-client";

const url = process.argv[2];
const CLIENTS = 20;
const AFTER_UPGRADE = 100;
// More than the 16 packets that the stock server takes in one POST.
const EARLY = Array.from({ length: 20 }, (_, number) => number);

function follow() {
  return new Promise((done) => {
    const socket = io(url, { forceNew: true, reconnectionDelay: 10 });
    let last = null;
    let upgraded = 0;
    const wrong = [];
    for (const number of EARLY) socket.emit("message", number);
    socket.on("n", async (number) => {
      if (last !== null && number !== last + 1) wrong.push([last, number]);
      last = number;
      upgraded += socket.io.engine.transport.name === "websocket" ? 1 : 0;
      if (upgraded === AFTER_UPGRADE) {
        const heard = await socket.emitWithAck("heard");
        if (heard.join() !== EARLY.join()) wrong.push({ heard });
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
