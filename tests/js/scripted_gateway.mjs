/** A Socket.IO server that does what a test tells it, for the stock client to talk to. */

import { once } from "node:events";
import { createServer } from "node:http";

import { Server } from "socket.io";
import { io } from "socket.io-client";

/** Start one on a free port; `t` is the test it ends with. */
export async function startScriptedGateway(t) {
  const http = createServer();
  const server = new Server(http);
  const asked = createMailbox();
  const left = createMailbox();
  server.on("connection", (socket) => {
    socket.on("subscribe", (request, answer) => asked.put({ request, answer, socket }));
    socket.on("unsubscribe", (request) => left.put(request));
  });
  http.listen(0, "127.0.0.1");
  await once(http, "listening");
  t.after(() => server.close());
  const url = `http://127.0.0.1:${http.address().port}`;
  return { url, nextQuestion: asked.take, nextUnsubscribe: left.take };
}

/** Connect a stock client that comes back at once. */
export function connect(t, { url }) {
  const socket = io(url, { transports: ["websocket"], reconnectionDelay: 1, forceNew: true });
  t.after(() => socket.disconnect());
  return socket;
}

/** Cut the line as a network does: the client was not told to stay away. */
export function cut({ socket }) {
  socket.conn.close();
}

/** What comes and what is waited for, in order. */
export function createMailbox() {
  const letters = [];
  const waiting = [];
  return {
    put: (letter) => (waiting.length > 0 ? waiting.shift()(letter) : letters.push(letter)),
    take: () => new Promise((take) => (letters.length > 0 ? take(letters.shift()) : waiting.push(take))),
    count: () => letters.length,
  };
}
