import assert from "node:assert/strict";
import { test } from "node:test";

import { withAnnouncement } from "../../gateway/static/dashboard/announcements.js";

const textsOf = (announcements) => announcements.map(({ text }) => text);

function announce(...messages) {
  return messages.reduce((all, message, at_ms) => withAnnouncement(all, { message }, at_ms), []);
}

test("the newest three announcements stay", () => {
  assert.deepEqual(textsOf(announce("a", "b", "c", "d")), ["b", "c", "d"]);
});

test("a repetition is the newest again", () => {
  const [other, repeated] = announce("a", "b", "a");
  assert.deepEqual([other.text, repeated], ["b", { text: "a", at_ms: 2 }]);
});

test("an announcement is one short line", () => {
  assert.deepEqual(textsOf(announce("\n Closed\r\n\tat\u0000noon ")), ["Closed at noon"]);
  assert.deepEqual(textsOf(announce("<b>1 < 2</b>")), ["<b>1 < 2</b>"]);
  const [{ text }] = announce(`${"🚲".repeat(3_000)}`);
  assert.equal(text, `${"🚲".repeat(279)}…`);
  assert.equal(announce("x".repeat(280))[0].text.length, 280);
});

test("data without text is no announcement", () => {
  const before = announce("a");
  for (const data of [undefined, null, "text", 1, [], {}, { message: 7 }, { message: " \n" }]) {
    assert.equal(withAnnouncement(before, data, 1), before, JSON.stringify(data));
  }
});
