// Stock clients that follow a bike with spoke.js, and when each reads again after a lost connection.
// usage: node returning.mjs URL CLIENTS
// Answers each line of input with one line of JSON:
//   connect  open all, 64 at a time; answers when all are subscribed
//   mark     note the time, and forget earlier reconnects
//   report   {back: [ms from the mark to the first reading after the connection was lost, one number
//             for each client that read again], missing: readings passed over or announced as lost}
import { createInterface } from "node:readline";

import { io } from "socket.io-client";

import { follow } from "../../../gateway/static/spoke.js";

const [url, clients] = [process.argv[2], Number(process.argv[3])];
const CONNECTING = 64;

let begun = 0;
let ready = 0;
let missing = 0;
let marked = 0;
const backMs = new Map(); // client -> time

function answer(body) {
  process.stdout.write(`${JSON.stringify(body)}\n`);
}

function start() {
  const client = { isReady: false, isLost: false, last: null };
  begun += 1;
  const socket = io(url, { forceNew: true, transports: ["websocket"] });
  socket.on("disconnect", () => (client.isLost = true));
  follow(socket, {
    devices: ["ebike-001"],
    onReading: (reading) => take(client, reading),
    onGap: ({ lost }) => (missing += lost ?? 1),
    onSubscribed: () => note(client),
  });
}

function take(client, { seq }) {
  if (client.last !== null) missing += seq - client.last - 1;
  client.last = seq;
  if (!client.isLost) return;
  client.isLost = false;
  if (!backMs.has(client)) backMs.set(client, Math.round(performance.now() - marked));
}

function note(client) {
  if (client.isReady) return;
  client.isReady = true;
  ready += 1;
  if (begun < clients) start();
  if (ready === clients) answer({ ready });
}

const commands = {
  connect: () => {
    for (let i = 0; i < Math.min(CONNECTING, clients); i++) start();
  },
  mark: () => {
    marked = performance.now();
    backMs.clear();
    answer({});
  },
  report: () => answer({ back: [...backMs.values()], missing }),
};

createInterface({ input: process.stdin })
  .on("line", (command) => commands[command]())
  .on("close", () => process.exit(0));
