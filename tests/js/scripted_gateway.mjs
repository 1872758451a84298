/** A Socket.IO server that a test controls, for the stock client. */

import { once } from "node:events";
import { createServer } from "node:http";

import { Server } from "socket.io";
import { io } from "socket.io-client";

/** Start a server on a free port; it ends with the test `t`. */
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

/** Connect a stock client that reconnects immediately. */
export function connect(t, { url }) {
  const socket = io(url, { transports: ["websocket"], reconnectionDelay: 1, forceNew: true });
  t.after(() => socket.disconnect());
  return socket;
}

/** Cut the connection as a failing network does: the client reconnects. */
export function cut({ socket }) {
  socket.conn.close();
}

/** A queue of events that tests wait for, in order. */
export function createMailbox() {
  const letters = [];
  const waiting = [];
  return {
    put: (letter) => (waiting.length > 0 ? waiting.shift()(letter) : letters.push(letter)),
    take: () => new Promise((take) => (letters.length > 0 ? take(letters.shift()) : waiting.push(take))),
    count: () => letters.length,
  };
}
