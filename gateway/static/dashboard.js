/**
 * The dashboard: one socket, two follows on it. All bikes at a rate the eye can read, for the
 * fleet; and the bike shown, every reading. Its past comes from the gateway's API.
 */

import { createAnnouncer } from "./dashboard/announcer.js";
import * as shownBike from "./dashboard/bike_state.js";
import { createBikeView } from "./dashboard/bike_view.js";
import { onlyBike, takeAnswer, takeDisconnect, takeStatus } from "./dashboard/bikes.js";
import {
  keyMove,
  listenToRange,
  listenToScheme,
  listenToUnit,
  recallRange,
} from "./dashboard/controls.js";
import { createDownload } from "./dashboard/download.js";
import { clockOf, createFleet, takeFleetReading } from "./dashboard/fleet_state.js";
import { createFleetView, entriesOf } from "./dashboard/fleet_view.js";
import { createHistory } from "./dashboard/history.js";
import { afterConnectError, afterDisconnect, CONNECTED, CONNECTING } from "./dashboard/link.js";
import { createLoop, createRest } from "./dashboard/loop.js";
import { noteChanges } from "./dashboard/news.js";
import { drawLink, drawRoute, stateSentence, titleOf } from "./dashboard/page.js";
import { createPalette } from "./dashboard/palette.js";
import { allCsvUrl, spanCsvUrl } from "./dashboard/past.js";
import { isFollowing, latest } from "./dashboard/range.js";
import { bikeInHash, FLEET_HASH, isAstray } from "./dashboard/route.js";
import { createSparkHistory } from "./dashboard/spark_history.js";
import { shownWord } from "./dashboard/words.js";
import { follow } from "./spoke.js";
import { io } from "./vendor/socket.io.esm.min.js";

const FLEET_RATE_HZ = 2; // a number in a list that changes faster cannot be read
const RECONNECT_MS = { reconnectionDelay: 500, reconnectionDelayMax: 3_000 };
const REST_MS = 700; // keys pressed one after the other are one move
const TICK_MS = 1_000; // time goes on when no reading comes

const part = (id) => document.getElementById(id);
const state = {
  link: CONNECTING,
  down_ms: null, // since when there is no line, where there was one
  isAnswered: false, // whether this gateway has said which bikes there are
  problem: null,
  ...createFleet(),
  selected: null,
  shown: shownBike.createShown(),
  range: recallRange(),
  reconnects: -1, // the first connection is none
  unit: null,
};
const palette = createPalette(document);
const request = createLoop(draw);
const announcer = createAnnouncer(part("announcer"));
const download = createDownload(part("saving"), announcer);
const moves = listenToRange(part, sight, setRange);
const sayShown = createRest(() => {
  announcer.tell(shownWord(sight()));
  bike.name();
  request();
}, REST_MS);
const fleet = createFleetView(part, {
  palette,
  request,
  fillSparks: createSparkHistory(state, request),
  tell: announcer.tell,
});
const bike = createBikeView(part, { palette, request, ...moves });
const history = createHistory((shown) => shown === state.shown, takePast);
const socket = io(RECONNECT_MS);
let following_one = null;
let said = stateSentence(state);

function draw(now_ms) {
  const isOther = drawRoute(part, state);
  if (isOther) for (const view of [bike, fleet]) view.hurry();
  drawLink(part, state);
  if (document.title !== titleOf(state)) document.title = titleOf(state);
  if (state.selected === null) return fleet.draw(state, now_ms);
  const inSight = sight();
  if (state.shown.latest ?? inSight.first) {
    history.fill(state.selected, state.shown, inSight.window);
  }
  const hasMore = bike.draw({ ...state, ...state.shown, ...inSight }, now_ms);
  return hasMore || (isFollowing(state.range) && isOnline());
}

function isOnline() {
  return state.link === CONNECTED && Boolean(state.bikes.get(state.selected)?.online);
}

/** What the charts show at this moment. */
function sight() {
  const now = shownBike.momentOf(state.shown, isOnline(), Date.now() / 1000);
  return shownBike.sightOf(state.shown, state.range, now);
}

/** Make a handler that changes the state and has it drawn. */
function drawn(change) {
  return (value) => {
    change(value);
    request();
  };
}

function redrawBike() {
  bike.hurry();
  request();
}

function takePast() {
  bike.name();
  redrawBike();
}

function setRange(range) {
  state.range = range;
  download.forget();
  redrawBike();
  sayShown();
}

function sayWhatChanged() {
  const sentence = stateSentence(state);
  if (sentence !== said) announcer.tell(sentence);
  said = sentence;
}

const onAnswer = drawn((devices) => {
  state.problem = null;
  takeAnswer(state.bikes, devices);
  showWhatIsAsked(state.selected);
  fleet.hurry();
});
const onStatus = drawn((status) => {
  const { device_id } = status;
  if (device_id === state.selected) {
    shownBike.takeShownStatus(state.shown, state.bikes.get(device_id), status);
  }
  takeStatus(state.bikes, status);
  showWhatIsAsked(state.selected);
  redrawBike();
  sayWhatChanged();
});
const onError = drawn(({ message }) => {
  state.problem = `The gateway refused the subscription: ${message}`;
  sayWhatChanged();
});

/** Show a bike, or the fleet where `id` is null. */
function show(id) {
  following_one?.stop();
  following_one = null;
  state.selected = id;
  bike.clear();
  if (id === null) return;
  const shown = shownBike.createShown(clockOf(state, id), state.bikes.get(id));
  Object.assign(state, { shown, range: latest(state.range) });
  download.forget();
  // Not kept over a reload: the page begins with now, and what was before comes from the API.
  const options = { devices: [id], keep: false, onStatus, onError };
  following_one = follow(socket, { ...options, ...handlersOf(id, shown) });
}

function handlersOf(id, shown) {
  return {
    onReading: drawn((reading) => {
      const arrival_ms = Date.now();
      bike.charts.note(reading);
      takeFleetReading(state, reading, arrival_ms);
      if (shownBike.takeShownReading(shown, reading, arrival_ms)) history.fillHole(id, shown);
    }),
    onGap: drawn((gap) => shownBike.takeShownGap(shown, gap)),
    onSubscribed(devices) {
      shownBike.takeShownAnswer(shown, devices[id], Date.now());
      if (devices[id].latest) bike.charts.note(devices[id].latest);
      onAnswer(devices);
    },
  };
}

/**
 * Show what the address asks for; where it asks for nothing, the bike `shown` already, else the
 * only one there is, else the fleet.
 */
function showWhatIsAsked(shown) {
  if (isAstray(location.hash)) window.history.replaceState(null, "", FLEET_HASH);
  const any = location.hash === "" ? (shown ?? onlyBike(state.bikes)) : null;
  const id = bikeInHash(location.hash) ?? any;
  if (id !== state.selected) show(id);
}

/** Show another view, and lead the keyboard and the eye to where it goes on. */
function changeRoute() {
  const before = state.selected;
  if (before === null) fleet.leave();
  showWhatIsAsked(null);
  drawRoute(part, state);
  if (state.selected === null) return fleet.comeBack(state, before);
  scrollTo(0, 0);
  part("bike-id").focus();
}

function setLink(link) {
  const isUp = link === CONNECTED;
  if (isUp || state.link === CONNECTED) state.down_ms = isUp ? null : Date.now();
  Object.assign(state, { link, isAnswered: false });
  redrawBike();
  fleet.hurry();
  sayWhatChanged();
}

socket.on("connect", () => {
  state.reconnects += 1;
  setLink(CONNECTED);
});
socket.on("disconnect", (reason) => {
  takeDisconnect(state.bikes);
  setLink(afterDisconnect(reason));
});
socket.on("connect_error", (error) => setLink(afterConnectError(error.message, socket.active)));
part("disconnect").addEventListener("click", () => {
  socket.disconnect();
  setLink(afterDisconnect("io client disconnect")); // no event when it was not connected
});
part("connect").addEventListener("click", () => {
  setLink(CONNECTING);
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
  const [from, to] = sight().bounds;
  download.fetch(state.selected, spanCsvUrl(state.selected, { from, to }, state.shown.offset_ms));
});
part("csv-all").addEventListener("click", () =>
  download.fetch(state.selected, allCsvUrl(state.selected)),
);
listenToScheme(part, palette.refresh);
listenToUnit(part, (unit) => {
  state.unit = unit;
  for (const view of [bike, fleet]) view.hurry();
  request();
});

function step(way) {
  const words = way === 0 ? bike.charts.unpoint() : bike.charts.step(way);
  if (words) announcer.answer(words);
}

follow(socket, {
  devices: "*",
  maxRateHz: FLEET_RATE_HZ,
  onReading: drawn((reading) => takeFleetReading(state, reading, Date.now())),
  onStatus,
  onSubscribed(devices) {
    state.isAnswered = true;
    onAnswer(devices);
  },
  onError,
});
setInterval(() => {
  const news = state.isAnswered ? noteChanges(state, entriesOf(state), Date.now()) : null;
  if (news !== null && state.selected === null) announcer.tell(news);
  request();
}, TICK_MS);
window.history.scrollRestoration = "manual"; // the browser would go by what is not drawn yet
showWhatIsAsked(null);
part("app").hidden = false;
request();
