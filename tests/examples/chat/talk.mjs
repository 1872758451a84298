/** Two stock clients in the chat: `node talk.mjs URL TRANSPORT` prints what they were told. */

import { io } from "socket.io-client";

const [url, transport] = process.argv.slice(2);
const told = [];
const open = (auth) =>
  io(url, { auth, transports: [transport], forceNew: true, reconnection: false });

function enter(name) {
  const socket = open({ name });
  socket.on("said", (said) => told.push([name, "heard", said.name, said.text]));
  return socket;
}
const once = (socket, name) => new Promise((done) => socket.once(name, done));

for (const auth of [undefined, { name: "" }, (give) => give("Ann")]) {
  const error = await once(open(auth), "connect_error");
  told.push([error.message, error.data]);
}

const ann = enter("Ann");
const bob = enter("Bob");
told.push(await ann.emitWithAck("say", "too early"));
told.push(await ann.emitWithAck("enter", "lobby"));
told.push(await bob.emitWithAck("enter", "lobby"));
told.push(await ann.emitWithAck("say", "hello ü"));
let gone = once(ann, "said");
told.push(await bob.emitWithAck("enter", "kitchen"));
await gone;
told.push(await bob.emitWithAck("say", "alone"));
told.push(await bob.emitWithAck("enter", "lobby"));
gone = new Promise((done) => ann.on("said", ({ text }) => text === "Bob left" && done()));
bob.disconnect();
await gone;
ann.disconnect();
console.log(JSON.stringify(told));
