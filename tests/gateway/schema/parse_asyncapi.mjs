// Parse the AsyncAPI document on stdin with the official parser; print what it complains about.
import { text } from "node:stream/consumers";

import { Parser } from "@asyncapi/parser";

const { document, diagnostics } = await new Parser().parse(await text(process.stdin));
const severities = ["error", "warning", "information", "hint"];
const complaints = diagnostics.map(({ severity, message }) => [severities[severity], message]);
const operations = document?.operations().all().map((operation) => operation.id()) ?? [];
console.log(JSON.stringify({ operations, complaints }));
