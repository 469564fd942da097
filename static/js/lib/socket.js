// The one WebSocket of a page. Elements with data-quote="<token>" are kept up to date; private
// events reach the page as `fb:<kind>` events on the body. Resumes by sequence number: the first time
// by the one that the page was drawn with.
import { formatNumber } from "./format.js";

const FIRST_WAIT_MS = 500;
const LEAVING_MS = 3000;
const LONGEST_WAIT_MS = 8000;
const PING_EVERY_MS = 8000;
const SESSION_ENDED = 4401;
const SILENT_AFTER_MS = 20000;

const quoteListeners = new Set();
const lastQuotes = new Map();
let tokens = new Set();
let socket = null;
let lastSequence = document.body.dataset.seq === undefined ? null : Number(document.body.dataset.seq);
let waitMs = FIRST_WAIT_MS;
let lastHeardAt = 0;
let hadConnection = false;
let state = "connecting";

function setState(next) {
  if (state === next) return;
  state = next;
  document.body.dispatchEvent(new CustomEvent("fb:socket", { detail: { state } }));
}

function send(message) {
  if (socket?.readyState === WebSocket.OPEN) socket.send(JSON.stringify(message));
}

function fillNumber(element, value) {
  const text =
    element.dataset.decimals === undefined
      ? String(value)
      : formatNumber(value, Number(element.dataset.decimals), element.dataset.asset);
  const shown = element.dataset.sign !== undefined && Number(value) > 0 ? `+${text}` : text;
  if (element.textContent === shown) return;
  const before = Number(element.dataset.raw ?? Number.NaN);
  element.textContent = shown;
  element.dataset.raw = value;
  if (element.dataset.flash === undefined || Number.isNaN(before)) return;
  element.classList.remove("flash-up", "flash-down");
  void element.offsetWidth;
  element.classList.add(Number(value) >= before ? "flash-up" : "flash-down");
}

function paint(quote) {
  for (const holder of document.querySelectorAll(`[data-quote="${CSS.escape(String(quote.i))}"]`)) {
    holder.classList.toggle("is-stale", quote.s === "stale");
    holder.title = quote.s === "stale" ? `Price is ${Math.round(quote.age)} s old` : "";
    for (const element of holder.querySelectorAll("[data-field]")) {
      const value = quote[element.dataset.field];
      if (value === undefined || value === null) continue;
      fillNumber(element, value);
      if (element.dataset.tone === undefined) continue;
      element.classList.toggle("up", Number(value) > 0);
      element.classList.toggle("down", Number(value) < 0);
    }
  }
}

function receive(message) {
  lastHeardAt = performance.now();
  if (message.t === "quotes") {
    for (const quote of message.q) {
      const whole = { ...lastQuotes.get(quote.i), ...quote };
      lastQuotes.set(quote.i, whole);
      paint(whole);
      for (const listener of quoteListeners) listener(whole);
    }
    document.body.dispatchEvent(new CustomEvent("fb:quotes"));
    return;
  }
  if (message.t === "hello") {
    if (lastSequence !== null && message.seq > lastSequence) send({ a: "resume", seq: lastSequence });
    else lastSequence = message.seq;
  }
  // Too much was missed to be told one by one: everything is fetched anew.
  if (message.t === "resync") {
    lastSequence = message.seq;
    document.body.dispatchEvent(new CustomEvent("fb:resumed"));
  }
  if (message.t !== "event") return;
  if (message.seq) lastSequence = Math.max(lastSequence ?? 0, message.seq);
  document.body.dispatchEvent(new CustomEvent(`fb:${message.kind}`, { detail: message.data ?? {} }));
}

function opened() {
  waitMs = FIRST_WAIT_MS;
  lastHeardAt = performance.now();
  if (tokens.size) send({ a: "subscribe", v: [...tokens] });
  setState("open");
  // What happened while we were away is fetched, not guessed.
  if (hadConnection) document.body.dispatchEvent(new CustomEvent("fb:resumed"));
  hadConnection = true;
}

let leavingAt = -Infinity;
addEventListener("beforeunload", () => {
  leavingAt = performance.now();
});

function closed(event) {
  socket = null;
  // The session has ended: the page comes back as the log-in page, which says why.
  if (event.code === SESSION_ENDED) {
    // Whoever is leaving already, by logging out say, is not called back.
    setTimeout(() => location.reload(), performance.now() - leavingAt < LEAVING_MS ? LEAVING_MS : 0);
    return;
  }
  setState("lost");
  setTimeout(connect, waitMs * (0.75 + Math.random() / 2));
  waitMs = Math.min(waitMs * 2, LONGEST_WAIT_MS);
}

function connect() {
  const scheme = location.protocol === "https:" ? "wss" : "ws";
  socket = new WebSocket(`${scheme}://${location.host}/ws/console`);
  socket.addEventListener("open", opened);
  socket.addEventListener("message", (event) => receive(JSON.parse(event.data)));
  socket.addEventListener("close", closed);
}

export function refresh() {
  const wanted = new Set();
  for (const element of document.querySelectorAll("[data-quote]")) {
    wanted.add(Number(element.dataset.quote));
  }
  const fresh = [...wanted].filter((token) => !tokens.has(token));
  const gone = [...tokens].filter((token) => !wanted.has(token));
  tokens = wanted;
  if (fresh.length) send({ a: "subscribe", v: fresh });
  if (gone.length) send({ a: "unsubscribe", v: gone });
  for (const token of wanted) if (lastQuotes.has(token)) paint(lastQuotes.get(token));
}

export function onQuote(listener) {
  quoteListeners.add(listener);
  for (const quote of lastQuotes.values()) listener(quote);
}

export function onEvent(kind, listener) {
  document.body.addEventListener(`fb:${kind}`, (event) => listener(event.detail));
}

export function socketState() {
  return { state, silentMs: lastHeardAt ? performance.now() - lastHeardAt : null };
}

if (document.body.dataset.live !== undefined) {
  connect();
  refresh();
  document.body.addEventListener("htmx:after:swap", refresh);
  // A half-open connection looks alive: a ping without an answer shows that it is not.
  setInterval(() => {
    send({ a: "ping" });
    if (socket && performance.now() - lastHeardAt > SILENT_AFTER_MS) socket.close();
  }, PING_EVERY_MS);
}
