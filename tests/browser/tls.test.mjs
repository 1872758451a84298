import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";

import { startBrowser, waitForSeq } from "./browser.mjs";
import { createPair } from "./pair.mjs";
import { freePort, ROOT } from "./processes.mjs";
import { eventually } from "./waiting.mjs";

const SYSTEM_FOLDERS = "/usr/local/sbin:/usr/sbin:/sbin"; // not in the PATH of Debian's users
const PATH = `${process.env.PATH}:${SYSTEM_FOLDERS}`;
const CERTIFICATE = join(ROOT, "tests", "certificates", "certificate.pem");
const KEY = join(ROOT, "tests", "certificates", "key.pem");

const browser = await startBrowser(after);

function shipped(name, changes) {
  const text = readFileSync(join(ROOT, "configs", name), "utf8");
  return changes.reduce((done, [old, now]) => {
    assert.ok(done.includes(old), `${name} has no ${old}`);
    return done.replaceAll(old, now);
  }, text);
}

/** The command and environment that start each proxy with TLS in front of one gateway. */
const PROXIES = {
  haproxy(folder, gateway, tlsPort, plainPort) {
    const pem = join(folder, "both.pem");
    writeFileSync(pem, readFileSync(CERTIFICATE, "utf8") + readFileSync(KEY, "utf8"));
    writeFileSync(join(folder, "haproxy.cfg"), shipped("haproxy.cfg", [["127.0.0.1:5000", gateway]]));
    const env = {
      LISTEN: `127.0.0.1:${plainPort}`,
      LISTEN_TLS: `127.0.0.1:${tlsPort}`,
      CERTIFICATE: pem,
    };
    return [["-f", "haproxy.cfg"], env];
  },
  nginx(folder, gateway, tlsPort, plainPort) {
    const text = shipped("nginx.conf", [
      ["127.0.0.1:5000", gateway],
      ["listen 127.0.0.1:8080", `listen 127.0.0.1:${plainPort}`],
      ["#listen 127.0.0.1:8443", `listen 127.0.0.1:${tlsPort}`],
      ["#ssl_certificate certificate.pem", `ssl_certificate ${CERTIFICATE}`],
      ["#ssl_certificate_key key.pem", `ssl_certificate_key ${KEY}`],
    ]);
    writeFileSync(join(folder, "nginx.conf"), text);
    return [["-p", folder, "-e", "stderr", "-c", "nginx.conf"], {}];
  },
};

function isInstalled(program) {
  return spawnSync(program, ["-v"], { env: { PATH } }).error === undefined;
}

async function startProxy(t, program, gateway, tlsPort) {
  const folder = mkdtempSync(join(tmpdir(), "spoke-tls-"));
  mkdirSync(join(folder, "logs"));
  const [args, env] = PROXIES[program](folder, gateway, tlsPort, await freePort());
  const proxy = spawn(program, args, { cwd: folder, env: { PATH, ...env }, stdio: "ignore" });
  const ended = once(proxy, "exit");
  t.after(async () => {
    proxy.kill("SIGTERM");
    await ended;
    rmSync(folder, { recursive: true, force: true });
  });
}

for (const program of Object.keys(PROXIES)) {
  const skip = isInstalled(program) ? false : `${program} is not installed`;
  test(`the dashboard over TLS behind ${program}`, { skip }, async (t) => {
    const pair = await createPair(t);
    const tlsPort = await freePort();
    const url = `https://127.0.0.1:${tlsPort}`;
    pair.startDevice();
    await pair.startGateway({ SPOKE_CORS_ORIGINS: url, SPOKE_TRUSTED_PROXIES: "127.0.0.1" });
    await startProxy(t, program, new URL(pair.url).host, tlsPort);

    const { page, complaints } = await browser.newPage(t, { ignoreHTTPSErrors: true });
    const opened = page.waitForEvent("websocket");
    await eventually(`${program} answers`, () => page.goto(url).then(() => true, () => false));
    assert.match((await opened).url(), new RegExp(`^wss://127\\.0\\.0\\.1:${tlsPort}/socket\\.io/`));
    await waitForSeq(page, 20);
    assert.deepEqual(complaints, []);
  });
}
