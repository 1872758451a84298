/**
 * One script of client actions, run by the stock JavaScript client against any server.
 *
 * `node script.mjs URL` prints one JSON object: for each scenario what each client sent, received,
 * was told and got for an answer, and what the server's handlers were told. Each of these is a list
 * of its own: how two of them interleave is a matter of time, and so are the NOOPs of an upgrade.
 */

import { io } from "socket.io-client";
import WebSocket from "ws";

const url = process.argv[2];
const LIMIT_MS = 15_000 * Number(process.env.TEST_TIME_FACTOR ?? "1");
const TRANSPORTS = { websocket: ["websocket"], polling: ["polling"], upgrade: undefined };

function show(value) {
  if (value instanceof Uint8Array || value instanceof ArrayBuffer) {
    return `<${Buffer.from(value).toString("hex")}>`;
  }
  if (Array.isArray(value)) return `[${value.map(show).join(",")}]`;
  if (value && typeof value === "object") {
    return `{${Object.entries(value).map(([key, item]) => `${key}:${show(item)}`).join(",")}}`;
  }
  return JSON.stringify(value);
}

const shortened = (text) => text.replace(/x{1000,}/g, "xxx…");
const withoutIds = (text) => text.replace(/(\\?)"sid\1":\1"[^"\\]+\1"/g, '"sid":"*"');

/** What one client sends, receives and is told; returns a place for answers. */
function record(transcript, name, socket) {
  const list = (kind) => {
    const lines = (transcript[`${name} ${kind}`] ??= []);
    return (line) => lines.push(shortened(withoutIds(String(line))));
  };
  const [sent, received, told, answer] = ["sent", "received", "told", "answers"].map(list);
  const packet = ({ type, data }) => `${type} ${typeof data === "string" ? data : show(data)}`;
  socket.io.engine.on("packet", (it) => it.type === "noop" || received(packet(it)));
  socket.io.engine.on("packetCreate", (it) => sent(packet(it)));
  socket.io.on("reconnect_attempt", () => told("reconnects"));
  socket.on("connect", () => told("connect"));
  socket.on("connect_error", (error) => {
    told(`connect_error ${show(error.message)} ${show(error.data)}`);
  });
  socket.on("disconnect", (reason) => told(`disconnect ${reason}`));
  socket.onAny((...args) => told(`event ${show(args.filter((it) => typeof it !== "function"))}`));
  return answer;
}

function within(promise, what) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${what} took too long`)), LIMIT_MS);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

const once = (emitter, event) => within(new Promise((done) => emitter.once(event, done)), event);

/** A client whose doings are recorded. */
function client(transcript, name, transport, { path = "", ...options } = {}) {
  const socket = io(url + path, {
    transports: TRANSPORTS[transport],
    forceNew: true,
    reconnection: false,
    ...options,
  });
  return { socket, answer: record(transcript, name, socket) };
}

/** A client in the main namespace, on the connection of another one. */
function beside(transcript, name, other) {
  const socket = other.socket.io.socket("/");
  return { socket, answer: record(transcript, name, socket) };
}

async function ask(socket, ...args) {
  return show(await within(socket.emitWithAck(...args), `the answer to ${args[0]}`));
}

async function joined(transcript, name, transport, options) {
  const made = client(transcript, name, transport, options);
  await once(made.socket, "connect");
  if (transport === "upgrade" && made.socket.io.engine.transport.name === "polling") {
    await once(made.socket.io.engine, "upgrade");
  }
  transcript[`${name} transport`] = [made.socket.io.engine.transport.name];
  return made;
}

/** What the server's handlers were told, up to the `count`th line that holds `last`. */
async function serverSays(transcript, last, count = 1) {
  const lines = (transcript.server ??= []);
  const deadline = Date.now() + LIMIT_MS;
  const found = () => lines.filter((line) => line.includes(last)).length;
  while (found() < count && Date.now() < deadline) {
    const entries = await (await fetch(`${url}/journal`)).json();
    lines.push(...entries.map(show));
    if (!entries.length) await new Promise((done) => setTimeout(done, 20));
  }
}

function leave(...clients) {
  for (const { socket } of clients) socket.disconnect();
}

const scenarios = {
  async "connect with auth"(t, transport) {
    const a = await joined(t, "a", transport, { auth: { token: "abc" } });
    a.answer(await ask(a.socket, "echo", "still here"));
    leave(a);
    await serverSays(t, "disconnect");
  },
  async "connect refused"(t, transport) {
    const a = client(t, "a", transport, { auth: { refuse: "policy" } });
    await once(a.socket, "connect_error");
    leave(a);
    await serverSays(t, "connect");
  },
  async "unknown namespace"(t, transport) {
    const a = client(t, "a", transport, { path: "/unknown" });
    await once(a.socket, "connect_error");
    leave(a);
  },
  async "two namespaces on one connection"(t, transport) {
    const a = await joined(t, "a", transport);
    const admin = a.socket.io.socket("/admin");
    await once(admin, "connect");
    a.answer(await ask(admin, "echo", 1));
    a.answer(await ask(a.socket, "echo", 2));
    admin.disconnect();
    a.answer(await ask(a.socket, "echo", 3));
    leave(a);
    await serverSays(t, "disconnect", 2);
  },
  async rooms(t, transport) {
    const a = await joined(t, "a", transport);
    const b = await joined(t, "b", transport);
    a.answer(await ask(a.socket, "join", "r"));
    b.answer(await ask(b.socket, "join", "r"));
    for (const [room, text, self] of [["r", "both", true], ["r", "only b", false]]) {
      const heard = once(b.socket, "said");
      a.socket.emit("say", room, text, self);
      await heard;
    }
    b.answer(await ask(b.socket, "leave", "r"));
    a.answer(await ask(a.socket, "echo", "before"));
    const heard = once(a.socket, "said");
    a.socket.emit("say", "r", "only a", true);
    await heard;
    a.answer(await ask(a.socket, "close room", "r"));
    const all = Promise.all([once(a.socket, "said"), once(b.socket, "said")]);
    b.socket.emit("broadcast", "all");
    await all;
    leave(a, b);
    await serverSays(t, "disconnect", 2);
  },
  async "acknowledgements both ways"(t, transport) {
    const a = await joined(t, "a", transport);
    a.socket.on("question", (text, answer) => answer(text, "indeed"));
    a.answer(await ask(a.socket, "nothing"));
    a.answer(await ask(a.socket, "echo", 1, "two", { three: [3, null, true] }));
    a.answer(await ask(a.socket, "ask", "why?"));
    const answered = once(a.socket, "answered");
    a.socket.emit("callback");
    await answered;
    leave(a);
    await serverSays(t, "disconnect");
  },
  async "binary both ways"(t, transport) {
    const a = await joined(t, "a", transport);
    a.socket.on("question", (data, answer) => answer({ back: data }));
    a.answer(await ask(a.socket, "echo", Buffer.from([1, 2, 3]), { deep: [Buffer.from("x")] }));
    a.answer(await ask(a.socket, "ask", Buffer.from([255, 0])));
    a.answer(await ask(a.socket, "echo", Buffer.alloc(0)));
    leave(a);
    await serverSays(t, "disconnect");
  },
  async "binary as base64"(t, transport) {
    const a = await joined(t, "a", transport, { forceBase64: true });
    a.answer(await ask(a.socket, "echo", Buffer.from([1, 2, 3]), { deep: [Buffer.from("x")] }));
    leave(a);
    await serverSays(t, "disconnect");
  },
  async "requests without a stamp"(t, transport) {
    const a = await joined(t, "a", transport, { timestampRequests: false });
    for (let number = 0; number < 5; number += 1) a.answer(await ask(a.socket, "echo", "same"));
    leave(a);
    await serverSays(t, "disconnect");
  },
  async "unicode and large"(t, transport) {
    const a = await joined(t, "a", transport);
    a.answer(await ask(a.socket, "echo", "grüß € 🚲 \u2028 \u001e \"quoted\""));
    const large = await within(a.socket.emitWithAck("echo", "x".repeat(200_000)), "large");
    a.answer(String(large.length));
    leave(a);
    await serverSays(t, "disconnect");
  },
  async "session and request"(t, transport) {
    const a = await joined(t, "a", transport, {
      query: { name: "anna" },
      extraHeaders: { "X-Name": "otto" },
    });
    for (const event of ["count", "count", "whoami"]) a.answer(await ask(a.socket, event));
    leave(a);
    await serverSays(t, "disconnect");
  },
  async "disconnected by the server"(t, transport) {
    const a = await joined(t, "a", transport);
    const gone = once(a.socket, "disconnect");
    a.socket.emit("kick");
    await gone;
    await serverSays(t, "disconnect");
  },
  async "connection closed by the server, then reconnected"(t, transport) {
    const a = await joined(t, "a", transport, { reconnection: true, reconnectionDelay: 10 });
    const gone = once(a.socket, "disconnect");
    a.socket.emit("drop");
    await gone;
    await once(a.socket, "connect");
    await serverSays(t, "disconnect");
    leave(a);
    await serverSays(t, "disconnect", 2);
  },
  async "a handler that fails"(t, transport) {
    const a = await joined(t, "a", transport);
    a.answer(await ask(a.socket, "fail"));
    a.answer(await ask(a.socket, "echo", "after"));
    leave(a);
    await serverSays(t, "disconnect");
  },
  async "an event that nobody handles"(t, transport) {
    const a = await joined(t, "a", transport);
    a.socket.emit("unheard", 1, () => a.answer("never"));
    a.answer(await ask(a.socket, "echo", "after"));
    leave(a);
    await serverSays(t, "disconnect");
  },
  async "a number that is no JSON"(t, transport) {
    const a = await joined(t, "a", transport);
    const either = Promise.race([once(a.socket, "disconnect"), ask(a.socket, "not a number")]);
    a.answer(await either);
    leave(a);
    await serverSays(t, "disconnect");
  },
  // While a client upgrades it is a matter of time by which transport they go, and the stock server
  // loses them by one: here the upgrade is over. `../upgrades` sends them in the middle of it.
  // What is asked once they are sent is answered behind them: who has no answer then gets none.
  async "twenty events before the connection"(t, transport) {
    const first = transport === "upgrade" && (await joined(t, "first", transport, { path: "/admin" }));
    const a = first ? beside(t, "a", first) : client(t, "a", transport);
    for (let number = 0; number < 20; number += 1) a.socket.emit("message", number);
    await once(a.socket, "connect");
    let answered = "no answer";
    a.socket.emit("echo", "last", (word) => (answered = show(word)));
    const engine = a.socket.io.engine;
    if (engine.writeBuffer.length) await once(engine, "drain");
    const after = await ask(a.socket, "echo", "after");
    a.answer(answered);
    a.answer(after);
    leave(a, ...(first ? [first] : []));
    await serverSays(t, "disconnect", first ? 2 : 1);
  },
};

// After a packet it cannot read the client breaks off, in ways that race with a poll or an upgrade.
const ONLY_BY_WEBSOCKET = new Set(["a number that is no JSON"]);

const HTTP = [
  ["GET", "?EIO=4&transport=polling"],
  ["GET", "?EIO=3&transport=polling"],
  ["GET", "?EIO=4"],
  ["GET", "?transport=polling"],
  ["GET", "?EIO=4&transport=polling&sid=unknown"],
  ["GET", "?EIO=4&transport=websocket"],
  ["POST", "?EIO=4&transport=polling"],
  ["PUT", "?EIO=4&transport=polling"],
  ["GET", "?eio=4&transport=polling"],
  ["GET", "?EIO=4&transport=POLLING"],
  ["GET", "?EIO=3&transport=websocket"],
  ["GET", "?transport=polling&EIO=4&b64=1&t=x"],
  ["GET", "?EIO=4&transport=polling&j=0"],
  ["GET", "?EIO=4&transport=polling&j=x"],
  ["OPTIONS", "?EIO=4&transport=polling"],
];
const BODIES = ["40", "garbage", "4garbage", "42[]", "1", "", "3", "5", "40\u001e3"];
const CONTENT_TYPES = [
  "text/plain;charset=UTF-8",
  "application/octet-stream",
  "application/x-www-form-urlencoded",
  "application/json",
];
const PATHS = ["/socket.io", "/socket.io/", "/socket.io/more", "/Socket.IO/"];

/** What clients send over a WebSocket that others do not. The last packet asks for an answer. */
const JOIN = "40/admin,";
const ASK = '42/admin,9["echo","last"]';
const BINARY = '451-["echo",{"_placeholder":true,"num":0}]';
const RAW = {
  "pings, as Arduino's library sends them": [JOIN, "2", "2", "2probe", ASK],
  "a probe and an upgrade, where no upgrade is due": ["2probe", "5", JOIN, "5", ASK],
  "a pong that nobody asked for": [JOIN, "3", "3probe", ASK],
  "packets that no client sends": [JOIN, "6", "7", "8", "9", '0{"sid":"x"}', "2{", ASK],
  "a namespace with a query": ["40/admin?x=1,", '42/admin?x=1,1["echo","x"]', ASK],
  "a namespace with a query and auth": ['40/admin?x=1,{"token":1}', ASK],
  "a namespace without a comma": ["40/admin", ASK],
  "an event for a namespace that was not joined": [JOIN, '42["echo",1]', "41", ASK],
  "leaving a namespace and coming back": [JOIN, "41/admin,", '42/admin,["echo",1]', JOIN, ASK],
  "leaving a namespace twice": [JOIN, "41/admin", "41/admin", JOIN, ASK],
  "joining a namespace twice": [JOIN, JOIN, ASK],
  "an event without arguments": [JOIN, '42/admin,["echo"]', '42/admin,0["echo"]', ASK],
  "an event that is named by a number": [JOIN, "42/admin,[7]", ASK],
  "an answer that nobody waits for": [JOIN, "43/admin,7[]", '43/admin,99["x"]', ASK],
  "an answer without data": [JOIN, "43/admin,7", ASK],
  "binary as base64": [JOIN, BINARY.replace("-", "-/admin,"), "bAQID", ASK],
  "binary as bytes": [JOIN, BINARY.replace("-", "-/admin,"), Buffer.from([1, 2]), ASK],
  "spaces in the text": [JOIN, '42/admin,8[ "echo" , 1 ]', ASK],
};

async function plainHttp(transcript) {
  const lines = (transcript.http = []);
  const endpoint = `${url}/socket.io/`;
  const fetched = async (method, query, body) => {
    const answer = await within(fetch(endpoint + query, { method, body }), "a request");
    return [answer.status, await answer.text()];
  };
  for (const [method, query] of HTTP) {
    const [status, body] = await fetched(method, query, method === "GET" ? undefined : "40");
    lines.push(withoutIds(`${method} ${query} ${status} ${status === 200 ? body : ""}`.trim()));
  }
  for (const body of BODIES) {
    const [, opened] = await fetched("GET", "?EIO=4&transport=polling");
    const query = `?EIO=4&transport=polling&sid=${JSON.parse(opened.slice(1)).sid}`;
    const [status, answer] = await fetched("POST", query, body);
    lines.push(`POST ${body} ${status} ${status === 200 ? answer : ""}`.trim());
  }
  for (const type of CONTENT_TYPES) {
    const query = `?EIO=4&transport=polling&sid=${await open()}`;
    const headers = { "Content-Type": type };
    const answer = await fetch(endpoint + query, { method: "POST", body: "40/admin,", headers });
    const joined = await fetch(endpoint + query);
    lines.push(withoutIds(`${type} ${answer.status} ${await joined.text()}`));
  }
  for (const path of PATHS) {
    const answer = await fetch(`${url}${path}?EIO=4&transport=polling`);
    lines.push(`${path} ${answer.status}`);
  }
}

/** What a WebSocket receives for what it sends but NOOPs, up to the last answer or the end. */
async function rawPackets(packets, sid) {
  const lines = [];
  const session = sid ? `&sid=${sid}` : "";
  const base = `${url.replace("http", "ws")}/socket.io/`;
  const socket = new WebSocket(`${base}?EIO=4&transport=websocket${session}`);
  const ended = new Promise((done) => {
    socket.on("message", (data, isBinary) => {
      const text = isBinary ? show(data) : String(data);
      if (text !== "6") lines.push(withoutIds(text));
      if (text.startsWith("43/admin,9")) done();
    });
    socket.on("close", () => done(lines.push("closed before the answer")));
    socket.on("error", () => {});
  });
  await once(socket, "open");
  for (const packet of sid ? ["2probe", "5", ...packets] : packets) socket.send(packet);
  await within(ended, "the last answer");
  socket.terminate();
  return lines;
}

async function open() {
  const answer = await fetch(`${url}/socket.io/?EIO=4&transport=polling`);
  return JSON.parse((await answer.text()).slice(1)).sid;
}

/** Wait until the server answers. */
async function ready() {
  const deadline = Date.now() + LIMIT_MS;
  while (Date.now() < deadline) {
    const answer = await fetch(`${url}/journal`).catch(() => null);
    if (answer?.ok) return;
    await new Promise((done) => setTimeout(done, 50));
  }
  throw new Error(`no server at ${url}`);
}

const transcripts = {};
await ready();
for (const transport of Object.keys(TRANSPORTS)) {
  for (const [name, run] of Object.entries(scenarios)) {
    if (transport !== "websocket" && ONLY_BY_WEBSOCKET.has(name)) continue;
    await (await fetch(`${url}/journal`)).json();
    const transcript = (transcripts[`${transport}: ${name}`] = {});
    await run(transcript, transport).catch((error) => (transcript.error = [String(error)]));
  }
}
transcripts["plain HTTP"] = {};
await plainHttp(transcripts["plain HTTP"]);
for (const [name, packets] of Object.entries(RAW)) {
  transcripts[`raw: ${name}`] = {
    websocket: await rawPackets(packets),
    upgraded: await rawPackets(packets, await open()),
  };
}
process.stdout.write(JSON.stringify(transcripts, null, 1), () => process.exit(0));
