import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

const ROOT = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
const APP = join("examples", "react");
const SPOKE = ["js", "d.ts"].map((ending) => join("gateway", "static", `spoke.${ending}`));

/** The files of a package that a compiler reads: its types and their location. */
function filter(path) {
  return statSync(path).isDirectory() || /\.(d\.[cm]?ts|json)$/.test(path);
}

/** Copy the example to a folder with the packages of its own lock file, and no others. */
function copyAlone(t) {
  const folder = mkdtempSync(join(tmpdir(), "spoke-react-alone-"));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  for (const file of [...SPOKE, join(APP, "src"), join(APP, "tsconfig.json"), join(APP, "vite.config.ts")])
    cpSync(join(ROOT, file), join(folder, file), { recursive: true });
  const lock = JSON.parse(readFileSync(join(ROOT, APP, "package-lock.json"), "utf8"));
  for (const name of Object.keys(lock.packages).filter((path) => path.startsWith("node_modules/"))) {
    const source = join(ROOT, APP, name);
    if (existsSync(source)) cpSync(source, join(folder, APP, name), { recursive: true, filter });
  }
  return join(folder, APP);
}

test("the React example compiles", (t) => {
  const tsc = join(ROOT, "node_modules", ".bin", "tsc");
  const options = { cwd: copyAlone(t), encoding: "utf8" };
  const { status, stdout } = spawnSync(tsc, [], options);
  assert.equal(status, 0, stdout.split("\n").slice(0, 5).join("\n"));
});
