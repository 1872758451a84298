/** The operator's announcements: the newest few, as plain text. */

import { setText } from "./elements.js";
import { momentText } from "./times.js";

const KEPT = 3; // the reader dismisses one after the other
const CHARACTERS_MAX = 280; // six lines on a phone
const READ_MAX = 4_000; // the rest of a longer message is not looked at

/**
 * Add the data of an `announcement` event that arrived at `at_ms`; without text it changes nothing.
 * The newest announcement is last. A repetition replaces the earlier one.
 */
export function withAnnouncement(announcements, data, at_ms) {
  const text = lineOf(data?.message);
  if (text === "") return announcements;
  return [...announcements.filter((one) => one.text !== text), { text, at_ms }].slice(-KEPT);
}

/** Make one line of a message: without control characters, and shortened. */
function lineOf(message) {
  if (typeof message !== "string") return "";
  const line = message.slice(0, READ_MAX).replace(/[\p{Cc}\s]+/gu, " ").trim();
  const characters = [...line];
  if (characters.length <= CHARACTERS_MAX) return line;
  return `${characters.slice(0, CHARACTERS_MAX - 1).join("").trimEnd()}…`;
}

/**
 * Show the newest announcement. Without any, the element stays in the page, out of sight: screen readers
 * only read changes of an element that was there before.
 */
export function drawAnnouncement(part, announcements, now_ms) {
  const newest = announcements.at(-1);
  const earlier = announcements.length - 1;
  part("announcement").classList.toggle("unseen", !newest);
  part("dismiss").hidden = !newest;
  setText(part("dismiss"), earlier > 0 ? `Dismiss (${earlier} more)` : "Dismiss");
  setText(part("announced-at"), newest ? `Announcement, ${momentText(newest.at_ms, now_ms)}:` : "");
  setText(part("announced"), newest?.text ?? "");
}
