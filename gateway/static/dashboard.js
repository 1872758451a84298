/**
 * The dashboard: one socket, two follows on it. All bikes at a rate the eye can read, for the
 * list; and the bike shown, every reading, with what the gateway holds of its past.
 */

import {
  createBikes,
  firstChoice,
  takeAnswer,
  takeDisconnect,
  takeReading,
  takeStatus,
} from "./dashboard/bikes.js";
import { afterConnectError, afterDisconnect, CONNECTED, CONNECTING } from "./dashboard/link.js";
import { createPage } from "./dashboard/page.js";
import { bikeInHash } from "./dashboard/route.js";
import { addGap, addReading, createSeries } from "./dashboard/series.js";
import { countGap, countReading, EMPTY_TALLY } from "./dashboard/tally.js";
import { follow } from "./spoke.js";
import { io } from "./vendor/socket.io.esm.min.js";

const LIST_RATE_HZ = 2; // a number in a list that changes faster cannot be read
const RECONNECT_MS = { reconnectionDelay: 500, reconnectionDelayMax: 3_000 };
const TICK_MS = 1_000; // time goes on in the chart when no reading comes

const state = {
  link: CONNECTING,
  problem: null,
  bikes: createBikes(),
  selected: null,
  ...emptyShown(),
};
const page = createPage(document);
const socket = io(RECONNECT_MS);
let shown = null; // the follow of the bike shown
let frame = 0;

/** What is kept of the bike shown; `arrived_ms` is when its last reading came. */
function emptyShown() {
  return { tally: EMPTY_TALLY, series: createSeries(), arrived_ms: performance.now(), age_s: 0 };
}

function draw() {
  frame = 0;
  state.age_s = (performance.now() - state.arrived_ms) / 1000;
  page.draw(state);
}

/** Draw at the next frame: readings may come faster than a screen shows. */
function drawSoon() {
  frame ||= requestAnimationFrame(draw);
}

/** Make a handler that changes the state and has it drawn. */
function drawn(change) {
  return (value) => {
    change(value);
    drawSoon();
  };
}

const onAnswer = drawn((devices) => {
  state.problem = null;
  takeAnswer(state.bikes, devices);
  showSomeBike();
});
const onStatus = drawn((status) => {
  takeStatus(state.bikes, status);
  showSomeBike();
});
const onError = drawn(({ message }) => {
  state.problem = `The gateway refused the subscription: ${message}`;
});

function show(id) {
  shown?.stop();
  state.selected = id;
  document.title = `${id} – Spoke`;
  Object.assign(state, emptyShown());
  shown = follow(socket, {
    devices: [id],
    since: { [id]: "0-0" },
    onReading: drawn(takeShownReading),
    onGap: drawn(takeShownGap),
    onStatus,
    onSubscribed: onAnswer,
    onError,
  });
}

function takeShownReading(reading) {
  takeReading(state.bikes, reading);
  addReading(state.series, reading);
  state.tally = countReading(state.tally, reading);
  state.arrived_ms = performance.now();
}

function takeShownGap(gap) {
  addGap(state.series);
  state.tally = countGap(state.tally, gap);
}

/** Show the bike in the address, else the one shown, else one of those heard. */
function showSomeBike() {
  const id = bikeInHash(location.hash) ?? state.selected ?? firstChoice(state.bikes);
  if (id !== null && id !== state.selected) show(id);
}

socket.on("connect", drawn(() => (state.link = CONNECTED)));
socket.on("disconnect", drawn((reason) => {
  state.link = afterDisconnect(reason);
  takeDisconnect(state.bikes);
}));
socket.on(
  "connect_error",
  drawn((error) => (state.link = afterConnectError(error.message, socket.active))),
);
addEventListener("hashchange", drawn(showSomeBike));
document.getElementById("disconnect").addEventListener("click", drawn(() => {
  socket.disconnect();
  state.link = afterDisconnect("io client disconnect"); // no event when it was not connected
}));
document.getElementById("connect").addEventListener("click", drawn(() => {
  state.link = CONNECTING;
  socket.connect();
}));
follow(socket, {
  devices: "*",
  maxRateHz: LIST_RATE_HZ,
  onReading: drawn((reading) => takeReading(state.bikes, reading)),
  onStatus,
  onSubscribed: onAnswer,
  onError,
});
setInterval(drawSoon, TICK_MS);
showSomeBike();
drawSoon();
