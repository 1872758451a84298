/** A proxy that serves a gateway below a path, and notes the path of every request. */

import { once } from "node:events";
import { createServer, request as ask } from "node:http";

/**
 * @param page HTML of a page at the root of the proxy
 * @param isRemoved whether the gateway gets the requests without the path
 */
export async function startPathProxy(t, url, path, { page = "", isRemoved = true } = {}) {
  const asked = [];
  const sockets = new Set();
  function forward(request) {
    asked.push(request.url);
    if (!request.url.startsWith(`${path}/`)) return undefined;
    const target = isRemoved ? request.url.slice(path.length) : request.url;
    return ask(new URL(url), { path: target, method: request.method, headers: request.headers });
  }
  const server = createServer((incoming, answer) => {
    const onward = forward(incoming);
    if (onward === undefined) {
      answer.writeHead(incoming.url === "/" ? 200 : 404, { "Content-Type": "text/html" });
      return answer.end(page);
    }
    onward.on("error", () => answer.destroy());
    onward.on("response", (theirs) => {
      answer.writeHead(theirs.statusCode, theirs.headers);
      theirs.pipe(answer);
    });
    answer.on("close", () => onward.destroy());
    incoming.pipe(onward);
  });
  server.on("upgrade", (incoming, socket) => {
    const onward = forward(incoming);
    if (onward === undefined) return socket.destroy();
    onward.on("error", () => socket.destroy());
    onward.on("upgrade", (theirs, gateway, head) => {
      sockets.add(gateway);
      const lines = theirs.rawHeaders.map((text, index) => (index % 2 ? `${text}\r\n` : `${text}: `));
      socket.write(`HTTP/1.1 101 Switching Protocols\r\n${lines.join("")}\r\n`);
      socket.write(head);
      for (const [one, other] of [[socket, gateway], [gateway, socket]]) {
        one.pipe(other);
        one.on("error", () => other.destroy());
        one.on("close", () => other.destroy());
      }
    });
    onward.end();
  });
  server.on("connection", (socket) => sockets.add(socket));
  await once(server.listen(0, "127.0.0.1"), "listening");
  t.after(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  const origin = `http://127.0.0.1:${server.address().port}`;
  return { origin, url: `${origin}${path}/`, asked };
}
