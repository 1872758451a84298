/** Start the project's processes as a user does, and stop all of them. */

import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { createServer } from "node:net";
import { delimiter, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

export const ROOT = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
const STOP_MS = 5_000; // then the process is killed: a failed test leaves none behind
const PORT_LOWEST = 20_000; // below the range that systems use for outgoing connections
const PORT_HIGHEST = 32_000;

/** A free port, chosen at random so that parallel runs rarely choose the same one. */
export async function freePort() {
  for (;;) {
    const port = PORT_LOWEST + Math.floor(Math.random() * (PORT_HIGHEST - PORT_LOWEST));
    const probe = createServer().listen(port, "127.0.0.1");
    const free = await once(probe, "listening").then(() => true, () => false);
    await new Promise((closed) => probe.close(closed));
    if (free) return port;
  }
}

/** Start `python -m <module>`; print its output if it ends too early. */
export function startPython(module, directory, env, args = []) {
  const child = spawn(findPython(), ["-m", module, ...args], {
    cwd: directory,
    env: { ...cleanEnvironment(), PYTHONPATH: directory, ...env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const printed = [];
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (text) => printed.push(text));
  const ended = once(child, "exit");
  const kill = () => child.kill("SIGKILL");
  process.once("exit", kill); // the runner may exit without ending its tests
  ended.then(() => process.off("exit", kill));
  let stopping = false;
  function checkAlive() {
    if (stopping || child.exitCode === null) return;
    throw new Error(`${module} ended with ${child.exitCode}:\n${Buffer.concat(printed)}`);
  }
  /** Send a signal and wait for the end; a process that ended by itself fails the test. */
  async function stop(signal) {
    checkAlive();
    stopping = true;
    child.kill(signal);
    const timer = setTimeout(kill, STOP_MS);
    await ended;
    clearTimeout(timer);
  }
  return { checkAlive, stop };
}

function cleanEnvironment() {
  const kept = ([name]) => !name.startsWith("SPOKE_") && name !== "PORT";
  return Object.fromEntries(Object.entries(process.env).filter(kept));
}

/** Prefer the project's Python: `PYTHON` is the one that scripts/install uses to create it. */
function findPython() {
  const places = [join(ROOT, ".venv", "bin", "python"), process.env.PYTHON];
  for (const folder of process.env.PATH.split(delimiter)) places.push(join(folder, "python3"));
  return places.find((place) => place && existsSync(place)) ?? "python3";
}
