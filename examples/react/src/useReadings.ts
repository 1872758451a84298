import { useEffect, useState } from "react";
import { io } from "socket.io-client";

import { follow, gatewayAt, type Reading, type Refusal } from "../../../gateway/static/spoke.js";

export type Link = "connecting" | "live" | "absent" | "refused";

export interface Bike {
  online: boolean;
  /** The newest reading; null before the first. */
  reading: Reading | null;
  /** The number of readings since the page was opened, each counted once. */
  count: number;
  /** The number of readings that the gateway reported as lost. */
  lost: number;
}

export interface Readings {
  link: Link;
  bikes: ReadonlyMap<string, Bike>;
  error: Refusal | null;
}

const UNHEARD: Bike = { online: false, reading: null, count: 0, lost: 0 };

/**
 * Follow bikes, or `"*"` for all of them, from the gateway at `url` while the component is mounted.
 *
 * The component renders at most once a frame, however many readings arrive. After a lost connection,
 * and after a reload of the tab, the stream continues where it was.
 */
export function useReadings(url: string, devices: readonly string[] | "*"): Readings {
  const [readings, setReadings] = useState<Readings>(emptyReadings);
  const wanted = JSON.stringify(devices); // a new array of the same names changes nothing
  useEffect(() => {
    setReadings(emptyReadings());
    return watch(url, JSON.parse(wanted), setReadings);
  }, [url, wanted]);
  return readings;
}

function emptyReadings(): Readings {
  return { link: "connecting", bikes: new Map(), error: null };
}

/** Follow until the returned function is called; `show` receives each new state. */
function watch(url: string, devices: readonly string[] | "*", show: (now: Readings) => void) {
  let now = emptyReadings();
  let frame = 0;
  function update(change: Partial<Readings>) {
    now = { ...now, ...change };
    frame ||= requestAnimationFrame(() => {
      frame = 0;
      show(now);
    });
  }
  function change(id: string, next: (bike: Bike) => Partial<Bike>) {
    const bike = now.bikes.get(id) ?? UNHEARD;
    update({ bikes: new Map(now.bikes).set(id, { ...bike, ...next(bike) }) });
  }
  const socket = io(...gatewayAt(url));
  socket.on("disconnect", () => update({ link: "connecting" }));
  socket.on("connect_error", async () => update({ link: await findCause(url) }));
  const following = follow(socket, {
    devices,
    onSubscribed: () => update({ link: "live", error: null }),
    onReading: (reading) => change(reading.device_id, ({ count }) => ({ reading, count: count + 1 })),
    onGap: (gap) => change(gap.device_id, ({ lost }) => ({ lost: lost + (gap.lost ?? 0) })),
    onStatus: ({ device_id, online }) => change(device_id, () => ({ online })),
    onError: (error) => update({ error }),
  });
  return () => {
    following.stop();
    socket.disconnect();
    cancelAnimationFrame(frame);
  };
}

/** Find out whether the gateway refuses this page or does not answer: a browser does not tell. */
function findCause(url: string): Promise<Link> {
  const answer = fetch(`${url.replace(/\/+$/, "")}/healthz`, { mode: "no-cors" });
  return answer.then(
    () => "refused",
    () => "absent",
  );
}
