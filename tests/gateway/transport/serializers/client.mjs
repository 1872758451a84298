/**
 * A stock client with the official MessagePack parser: `node client.mjs URL TRANSPORT` prints, as
 * JSON, what it was told.
 */

import { io } from "socket.io-client";
import parser from "socket.io-msgpack-parser";

const [url, transport] = process.argv.slice(2);
const once = (socket, name) => new Promise((done) => socket.once(name, done));
const open = (path, options) =>
  io(url + path, {
    parser,
    forceNew: true,
    reconnection: false,
    transports: [transport],
    ...options,
  });
const told = {};

const socket = open("/", { auth: { token: "abc" } });
socket.on("question", (question, answer) => answer([question, "answered"]));
told.hello = await once(socket, "hello");
const bytes = Buffer.from([0, 255]);
const echoed = once(socket, "echoed");
const answer = await socket.emitWithAck("echo", { bytes, list: [1.5, null, "ü"] }, 2 ** 40);
told.answer = [Array.from(answer[0].bytes), answer[0].list, answer[1]];
told.echoed = (await echoed).list;
told.asked = await socket.emitWithAck("ask", 7);
const gone = once(socket, "disconnect");
socket.emit("kick");
told.gone = await gone;

const admin = open("/admin");
await once(admin, "connect");
told.admin = await admin.emitWithAck("echo", 1);
admin.disconnect();

told.unknown = (await once(open("/unknown"), "connect_error")).message;
told.refused = (await once(open("/", { auth: (give) => give("refuse me") }), "connect_error")).message;
told.absent = (await once(open("/"), "hello")) ?? null;
console.log(JSON.stringify(told));
process.exit(0);
