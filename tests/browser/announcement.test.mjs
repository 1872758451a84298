/** An operator's program announces through a real Redis, and the dashboard shows it. */

import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { connect } from "node:net";
import { after, test } from "node:test";

import { assertLargeLettersFit, assertNothingSticksOut, showState, startBrowser, waitForText } from "./browser.mjs";
import { createPair } from "./pair.mjs";
import { freePort, ROOT, startPython } from "./processes.mjs";
import { eventually } from "./waiting.mjs";

const REDIS = "redis-server";
const CHANNEL = "flask-socketio";
const HTML = "<img src=x onerror=document.title='attacked'> The bikes rest from noon to one";
const LONG = `${"Donaudampfschifffahrt".repeat(40)}`;
const isInstalled = spawnSync(REDIS, ["--version"]).error === undefined;

const browser = await startBrowser(after);

/** Start Redis; `ask` sends it one command and returns the answer. */
async function startRedis(t) {
  const port = await freePort();
  const options = ["--port", `${port}`, "--bind", "127.0.0.1", "--save", ""];
  const server = spawn(REDIS, options, { cwd: "/tmp", stdio: "ignore" });
  const ended = once(server, "exit");
  t.after(async () => {
    server.kill("SIGKILL");
    await ended;
  });
  async function ask(command) {
    const socket = connect(port, "127.0.0.1");
    socket.setEncoding("utf8");
    try {
      await once(socket, "connect");
      socket.write(`${command}\r\nPING\r\n`);
      let answer = "";
      for await (const part of socket) if ((answer += part).endsWith("PONG\r\n")) return answer;
    } catch {
      // it does not listen yet
    } finally {
      socket.destroy();
    }
    return "";
  }
  return { url: `redis://127.0.0.1:${port}/0`, ask };
}

/** Open the dashboard of a gateway that listens to a Redis; `announce` runs the operator's program. */
async function openDashboard(t) {
  const redis = await startRedis(t);
  const pair = await createPair(t);
  pair.startDevice({ SPOKE_FLEET_SIZE: "3" });
  await pair.startGateway({ SPOKE_REDIS_URL: redis.url });
  await eventually("the gateway at Redis", async () =>
    /:1\r\n/.test(await redis.ask(`PUBSUB NUMSUB ${CHANNEL}`)),
  );
  const { page, complaints } = await browser.newPage(t);
  await page.goto(`${pair.url}/#/bikes`);
  await waitForText(page, "link", /^Connected$/);
  const announce = (text) => startPython("examples.announce", ROOT, {}, [redis.url, text]);
  return { page, complaints, announce };
}

test("an operator's announcement", { skip: isInstalled ? false : `${REDIS} is missing` }, async (t) => {
  const { page, complaints, announce } = await openDashboard(t);
  assert.equal(await page.isVisible("#dismiss"), false);
  assert.equal(await page.getAttribute("#announced", "role"), "status");

  announce(HTML);
  await waitForText(page, "announced", /rest from noon to one$/);
  assert.equal(await page.textContent("#announced"), HTML);
  assert.equal(await page.locator("#announced *").count(), 0);
  assert.match(await page.textContent("#announced-at"), /^Announcement, \d\d:\d\d:\d\d:$/);
  await showState(page, "announcement-1280");
  const lineHeight = await page.$eval("#announced", (text) => text.getClientRects().length);
  assert.equal(lineHeight, 1);

  announce(LONG);
  await waitForText(page, "announced", /^Donau.*…$/);
  await page.setViewportSize({ width: 390, height: 800 });
  await assertNothingSticksOut(page);
  await showState(page, "announcement-390");
  const covered = await page.$eval(".notices", (notices) => notices.offsetHeight / innerHeight);
  assert.ok(covered < 0.35, `${covered} of the window`);
  await assertLargeLettersFit(page);

  assert.match(await page.textContent("#dismiss"), /^Dismiss \(1 more\)$/);
  await page.focus("#dismiss");
  await page.keyboard.press("Enter");
  await waitForText(page, "announced", /rest from noon to one$/);
  assert.equal(await page.locator("#dismiss:focus").count(), 1);
  await page.keyboard.press("Enter");
  await page.waitForSelector("#dismiss", { state: "hidden" });
  assert.equal(await page.locator("#fleet-title:focus").count(), 1);
  assert.equal(await page.textContent("#announcement p"), " ");
  assert.notEqual(await page.title(), "attacked");
  assert.deepEqual(complaints, []);
});
