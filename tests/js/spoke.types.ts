/** Checked by the compiler alone: what a user of spoke.js may write, and what not. */

import { io } from "socket.io-client";

import { type Cursor, follow, type Gap, gatewayAt, type Reading } from "../../gateway/static/spoke.js";

const following = follow(io("http://localhost:5000"), {
  devices: ["ebike-001"],
  since: { "ebike-001": "0-0" },
  keep: true,
  onReading: (reading: Reading) => reading.extra?.["note"] ?? reading.speed_kmh.toFixed(1),
  onGap: ({ lost, reason }: Gap) => (reason === "epoch" ? null : lost),
  onStatus: ({ online, refused }) => online && refused === undefined,
  onSubscribed: (devices) => devices["ebike-001"]?.latest?.seq,
  onError: ({ code }) => code === "too_many_devices",
});
const cursor: Cursor | undefined = following.cursors.get("ebike-001");
follow(io(), { devices: "*", maxRateHz: 4 }).stop();
follow(io(...gatewayAt("https://example.org/spoke/")), { devices: "*" });
follow(io(...gatewayAt(new URL("http://localhost:5000"), { reconnectionDelay: 500 })), { devices: "*" });
export { cursor };

// @ts-expect-error devices must be said
follow(io(), {});
// @ts-expect-error one name is a list of one
follow(io(), { devices: "ebike-001" });
// @ts-expect-error a cursor has two parts
follow(io(), { devices: "*", since: { "*": "0" } });
// @ts-expect-error no reading has such a key
follow(io(), { devices: "*", onReading: ({ speed }) => speed });
// @ts-expect-error a gap has no such reason
follow(io(), { devices: "*", onGap: ({ reason }) => reason === "lost" });
// @ts-expect-error the URL must be said
io(...gatewayAt());
// @ts-expect-error it is no socket
follow({ connected: true }, { devices: "*" });
