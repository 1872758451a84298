/** Print every reading of every bike: node examples/watch_bikes.mjs http://localhost:5000 */

import { io } from "socket.io-client";

const since = {};
const subscribe = (send) => send({ subscribe: { devices: "*", since } });
const { origin, pathname } = new URL(process.argv[2]); // io takes a path for a namespace
const path = `${pathname.replace(/\/+$/, "")}/socket.io`;
const socket = io(origin, { path, auth: subscribe });
socket.on("speed_change", ({ device_id, epoch, seq, speed_kmh }) => {
  console.log(device_id, seq, speed_kmh);
  // the client reconnects by itself, and continues after the last reading
  Object.assign(since, { "*": "0-0", [device_id]: `${epoch}-${seq}` });
});
