import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { test } from "node:test";

const COMPILER = fileURLToPath(new URL("../../node_modules/.bin/tsc", import.meta.url));
const CODE = fileURLToPath(new URL("spoke.types.ts", import.meta.url));
const RULES = ["--strict", "--noEmit", "--noUncheckedIndexedAccess", "--exactOptionalPropertyTypes"];
const TARGET = ["--module", "esnext", "--moduleResolution", "bundler", "--target", "es2022"];

test("types of spoke.js", () => {
  const { status, stdout } = spawnSync(COMPILER, [...RULES, ...TARGET, CODE], { encoding: "utf8" });
  assert.equal(stdout, "");
  assert.equal(status, 0);
});
