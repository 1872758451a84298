/** A gateway and its device, as real processes on free ports. */

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { freePort, ROOT, startPython } from "./processes.mjs";
import { eventually } from "./waiting.mjs";

/**
 * Ports and settings for one gateway and its device, and functions to start them. Everything ends with
 * `scope`, a test or another object with `after`. `directory` contains the Python packages.
 */
export async function createPair(scope, { directory = ROOT } = {}) {
  const logs = mkdtempSync(join(tmpdir(), "spoke-browser-"));
  const [port, pub, replay] = [await freePort(), await freePort(), await freePort()];
  const url = `http://127.0.0.1:${port}`;
  const start = (name, env) =>
    startPython(name, directory, { SPOKE_ENV: "test", SPOKE_LOG_DIR: logs, ...env });
  const running = [];
  scope.after(async () => {
    const stopped = Promise.all(running.map((process) => process.stop("SIGKILL")));
    await stopped.finally(() => rmSync(logs, { recursive: true, force: true }));
  });
  return {
    url,
    async startGateway(env = {}) {
      const gateway = start("gateway", {
        SPOKE_GATEWAY_PORT: `${port}`,
        SPOKE_DEVICE_CONNECT: `tcp://127.0.0.1:${pub}`,
        SPOKE_REPLAY_CONNECT: `tcp://127.0.0.1:${replay}`,
        ...env,
      });
      running.push(gateway);
      // Not /readyz, which waits for a bike: the page is available before the first one.
      await eventually("a gateway", () => {
        gateway.checkAlive();
        return answers(`${url}/healthz`);
      });
      return gateway;
    },
    startDevice(env = {}) {
      const device = start("device", {
        SPOKE_PUB_BIND: `tcp://127.0.0.1:${pub}`,
        SPOKE_REPLAY_BIND: `tcp://127.0.0.1:${replay}`,
        SPOKE_RATE_HZ: "20",
        SPOKE_SEED: "7",
        ...env,
      });
      running.push(device);
      return device;
    },
    /** Start a publisher of the tests' own where the device would be. */
    startPublisher(module) {
      const publisher = startPython(module, directory, {}, [`tcp://127.0.0.1:${pub}`]);
      running.push(publisher);
      return publisher;
    },
  };
}

/** The sequence number of a bike's newest reading, from the HTTP API. */
export async function newestSeq(url, id) {
  const answer = await fetch(`${url}/api/v1/devices/${id}/readings?limit=1`);
  if (!answer.ok) return 0;
  const { readings } = await answer.json();
  return readings.at(-1)?.seq ?? 0;
}

async function answers(url) {
  try {
    return (await fetch(url)).ok;
  } catch {
    return false; // not listening yet
  }
}
