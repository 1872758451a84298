// The gateway a Node.js developer would write: npm's zeromq and socket.io, rooms, nothing tuned.
// Usage: node node_gateway.mjs PORT ENDPOINT FOLDER, with the two packages in FOLDER/node_modules.

import { createRequire } from "node:module";
import { createServer } from "node:http";

const [port, endpoint, folder] = process.argv.slice(2);
const load = createRequire(`${folder}/`);
const { Server } = load("socket.io");
const { Subscriber } = load("zeromq");


const web = createServer();
const io = new Server(web);

io.on("connection", (socket) => {
  socket.on("subscribe", ({ devices }, answer) => {
    socket.join(devices);
    answer({ ok: true });
  });
});

web.listen({ port: Number(port), host: "127.0.0.1", backlog: 4096 });

const readings = new Subscriber({ receiveHighWaterMark: 100_000 });
readings.connect(endpoint);
readings.subscribe("ebike/reading/");
for await (const [, payload] of readings) {
  const reading = JSON.parse(payload.toString());
  io.to(reading.device_id).emit("speed_change", reading);
}
