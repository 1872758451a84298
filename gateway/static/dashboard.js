/**
 * The dashboard. One socket carries two subscriptions: all bikes at a readable rate for the fleet, and
 * every reading of the open bike. The past of the open bike comes from the HTTP API.
 */

import { drawAnnouncement, withAnnouncement } from "./dashboard/announcements.js";
import { createAnnouncer } from "./dashboard/announcer.js";
import * as shownBike from "./dashboard/bike_state.js";
import { createBikeView } from "./dashboard/bike_view.js";
import { applyAnswer, applyDisconnect, applyStatus, onlyBike } from "./dashboard/bikes.js";
import { shownText } from "./dashboard/chart_texts.js";
import {
  afterConnectError,
  afterDisconnect,
  CONNECTED,
  CONNECTING,
} from "./dashboard/connection.js";
import {
  keyMove,
  listenToRange,
  listenToScheme,
  listenToUnit,
  loadRange,
} from "./dashboard/controls.js";
import { createDownload } from "./dashboard/download.js";
import { recordChanges } from "./dashboard/fleet_changes.js";
import { applyFleetReading, clockOf, createFleet } from "./dashboard/fleet_state.js";
import { createFleetView, entriesOf } from "./dashboard/fleet_view.js";
import { createHistoryLoader } from "./dashboard/history_loader.js";
import { drawConnection, drawRoute, stateSentence, titleOf } from "./dashboard/page.js";
import { createPalette } from "./dashboard/palette.js";
import { allCsvUrl, spanCsvUrl } from "./dashboard/readings_urls.js";
import { bikeInHash, FLEET_HASH, isUnknownRoute } from "./dashboard/route.js";
import { createFrameLoop, debounce } from "./dashboard/scheduling.js";
import { createSpeedHistory } from "./dashboard/speed_history.js";
import { isFollowing, latest } from "./dashboard/time_range.js";
import { follow, gatewayAt } from "./spoke.js";
import { io } from "./vendor/socket.io.esm.min.js";

const GATEWAY = new URL("../", import.meta.url); // this file is in its static/
const FLEET_RATE_HZ = 2; // faster numbers in a list cannot be read
const RECONNECT_MS = { reconnectionDelay: 500, reconnectionDelayMax: 3_000 };
const REST_MS = 700; // keys pressed in quick succession count as one move
const TICK_MS = 1_000; // charts move on while no reading arrives

const part = (id) => document.getElementById(id);
const state = {
  connection: CONNECTING,
  down_ms: null, // when the connection was lost; null if there was none
  isAnswered: false, // whether the gateway has listed its bikes since the last connect
  problem: null,
  announcements: [],
  ...createFleet(),
  selected: null,
  shown: shownBike.createBikeState(),
  range: loadRange(),
  reconnects: -1, // the first connection does not count
  unit: null,
};
const palette = createPalette(document);
const request = createFrameLoop(draw);
const announcer = createAnnouncer(part("announcer"));
const download = createDownload(part("saving"), announcer);
const moves = listenToRange(part, viewport, setRange);
const announceRange = debounce(() => {
  announcer.announce(shownText(viewport()));
  bike.name();
  request();
}, REST_MS);
const fleet = createFleetView(part, {
  palette,
  request,
  loadSpeeds: createSpeedHistory(state, request),
  announce: announcer.announce,
});
const bike = createBikeView(part, { palette, request, ...moves });
const historyLoader = createHistoryLoader((shown) => shown === state.shown, drawHistory);
const socket = io(...gatewayAt(GATEWAY, RECONNECT_MS));
let subscription = null; // of the open bike
let announced = stateSentence(state);

function draw(now_ms) {
  const isOther = drawRoute(part, state);
  if (isOther) for (const view of [bike, fleet]) view.invalidate();
  drawConnection(part, state);
  drawAnnouncement(part, state.announcements, Date.now());
  if (document.title !== titleOf(state)) document.title = titleOf(state);
  if (state.selected === null) return fleet.draw(state, now_ms);
  const visible = viewport();
  if (state.shown.latest ?? visible.first) {
    historyLoader.load(state.selected, state.shown, visible.window);
  }
  const hasMore = bike.draw({ ...state, ...state.shown, ...visible }, now_ms);
  return hasMore || (isFollowing(state.range) && isOnline());
}

function isOnline() {
  return state.connection === CONNECTED && Boolean(state.bikes.get(state.selected)?.online);
}

/** The visible part of time. */
function viewport() {
  const now = shownBike.newestMoment(state.shown, isOnline(), Date.now() / 1000);
  return shownBike.viewportOf(state.shown, state.range, now);
}

/** Make a handler that changes the state and requests a frame. */
function drawn(change) {
  return (value) => {
    change(value);
    request();
  };
}

function redrawBike() {
  bike.invalidate();
  request();
}

function drawHistory() {
  bike.name();
  redrawBike();
}

function setRange(range) {
  state.range = range;
  download.forget();
  redrawBike();
  announceRange();
}

function announceChanges() {
  const sentence = stateSentence(state);
  if (sentence !== announced) announcer.announce(sentence);
  announced = sentence;
}

const onAnswer = drawn((devices) => {
  state.problem = null;
  applyAnswer(state.bikes, devices);
  showRoute(state.selected);
  fleet.invalidate();
});
const onStatus = drawn((status) => {
  const { device_id } = status;
  if (device_id === state.selected) {
    shownBike.applyStatus(state.shown, state.bikes.get(device_id), status);
  }
  applyStatus(state.bikes, status);
  showRoute(state.selected);
  redrawBike();
  announceChanges();
});
const onError = drawn(({ message }) => {
  state.problem = `The gateway refused the subscription: ${message}`;
  announceChanges();
});

const onAnnouncement = drawn((data) => {
  state.announcements = withAnnouncement(state.announcements, data, Date.now());
});

/** Remove the newest announcement. After the last one the focus moves to the heading of the view. */
function dismiss() {
  state.announcements = state.announcements.slice(0, -1);
  if (state.announcements.length > 0) return;
  part(state.selected === null ? "fleet-title" : "bike-id").focus({ preventScroll: true });
}

/** Open a bike, or the fleet if `id` is null. */
function show(id) {
  subscription?.stop();
  subscription = null;
  state.selected = id;
  bike.clear();
  if (id === null) return;
  const shown = shownBike.createBikeState(clockOf(state, id), state.bikes.get(id));
  Object.assign(state, { shown, range: latest(state.range) });
  download.forget();
  // A reload starts with the present: the history loader gets earlier readings.
  const options = { devices: [id], keep: false, onStatus, onError };
  subscription = follow(socket, { ...options, ...handlersOf(id, shown) });
}

function handlersOf(id, shown) {
  return {
    onReading: drawn((reading) => {
      const arrival_ms = Date.now();
      bike.charts.note(reading);
      applyFleetReading(state, reading, arrival_ms);
      if (shownBike.applyReading(shown, reading, arrival_ms)) historyLoader.loadHole(id, shown);
    }),
    onGap: drawn((gap) => shownBike.applyGap(shown, gap)),
    onSubscribed(devices) {
      shownBike.applyAnswer(shown, devices[id], Date.now());
      if (devices[id].latest) bike.charts.note(devices[id].latest);
      onAnswer(devices);
    },
  };
}

/**
 * Show the view of the address. Without a hash that is the `open` bike, else the only bike, else the
 * fleet.
 */
function showRoute(open) {
  if (isUnknownRoute(location.hash)) window.history.replaceState(null, "", FLEET_HASH);
  const any = location.hash === "" ? (open ?? onlyBike(state.bikes)) : null;
  const id = bikeInHash(location.hash) ?? any;
  if (id !== state.selected) show(id);
}

/** Change the view after the address changed, and move the focus and the scroll position to it. */
function changeRoute() {
  const before = state.selected;
  if (before === null) fleet.leave();
  showRoute(null);
  drawRoute(part, state);
  if (state.selected === null) return fleet.comeBack(state, before);
  scrollTo(0, 0);
  part("bike-id").focus();
}

function setConnection(connection) {
  const isUp = connection === CONNECTED;
  if (isUp || state.connection === CONNECTED) state.down_ms = isUp ? null : Date.now();
  Object.assign(state, { connection, isAnswered: false });
  redrawBike();
  fleet.invalidate();
  announceChanges();
}

socket.on("connect", () => {
  state.reconnects += 1;
  setConnection(CONNECTED);
});
socket.on("disconnect", (reason) => {
  applyDisconnect(state.bikes);
  setConnection(afterDisconnect(reason));
});
socket.on("connect_error", (error) => setConnection(afterConnectError(error.message, socket.active)));
socket.on("announcement", onAnnouncement);
part("dismiss").addEventListener("click", drawn(dismiss));
part("disconnect").addEventListener("click", () => {
  socket.disconnect();
  setConnection(afterDisconnect("io client disconnect")); // socket.io sends no event if it was not connected
});
part("connect").addEventListener("click", () => {
  setConnection(CONNECTING);
  socket.connect();
});
addEventListener("hashchange", drawn(changeRoute));
part("charts-panel").addEventListener("keydown", (event) => {
  if (event.target !== event.currentTarget) return;
  const move = keyMove(event, moves, step);
  if (move === undefined) return;
  event.preventDefault();
  move();
  request();
});
part("csv-view").addEventListener("click", () => {
  const [from, to] = viewport().bounds;
  download.fetch(state.selected, spanCsvUrl(state.selected, { from, to }, state.shown.offset_ms));
});
part("csv-all").addEventListener("click", () =>
  download.fetch(state.selected, allCsvUrl(state.selected)),
);
listenToScheme(part, palette.refresh);
listenToUnit(part, (unit) => {
  state.unit = unit;
  for (const view of [bike, fleet]) view.invalidate();
  request();
});

function step(way) {
  const text = way === 0 ? bike.charts.unpoint() : bike.charts.step(way);
  if (text) announcer.announceNow(text);
}

follow(socket, {
  devices: "*",
  maxRateHz: FLEET_RATE_HZ,
  onReading: drawn((reading) => applyFleetReading(state, reading, Date.now())),
  onStatus,
  onSubscribed(devices) {
    state.isAnswered = true;
    onAnswer(devices);
  },
  onError,
});
setInterval(() => {
  const changes = state.isAnswered ? recordChanges(state, entriesOf(state), Date.now()) : null;
  if (changes !== null && state.selected === null) announcer.announce(changes);
  request();
}, TICK_MS);
window.history.scrollRestoration = "manual"; // the browser would restore positions before the rows exist
showRoute(null);
part("app").hidden = false;
request();
