// The frame of every page: connection light, toasts, keyboard, menus and dialogs.
import { agoText } from "./format.js";
import { refresh, socketState } from "./socket.js";

const GO = { h: "home", m: "markets", o: "orders", p: "positions", f: "funds", b: "bots", s: "gear" };
const GO_WAIT_MS = 1200;
const TOAST_MS = 8000;

export function toast(text, tone = "info") {
  const region = document.getElementById("toasts");
  if (!region || !text) return;
  const line = document.createElement("div");
  line.className = "toast-line";
  line.dataset.tone = tone;
  const words = document.createElement("span");
  words.className = "grow";
  words.textContent = text;
  const close = document.createElement("button");
  close.type = "button";
  close.textContent = "\u00d7";
  close.setAttribute("aria-label", "Close this message");
  close.addEventListener("click", () => line.remove());
  line.append(words, close);
  region.append(line);
  while (region.children.length > 4) region.firstElementChild.remove();
  setTimeout(() => line.remove(), TOAST_MS);
}

// Calls `act` once for a burst of calls, with everything that was handed in meanwhile.
export function coalesce(act, waitMs) {
  let waiting = null;
  const items = new Set();
  return (item) => {
    if (item !== undefined) items.add(item);
    waiting ??= setTimeout(() => {
      waiting = null;
      const batch = [...items];
      items.clear();
      act(batch);
    }, waitMs);
  };
}

// Fetches table rows and puts each where the row of the same id stands, new ones on top.
export async function replaceRows(url, body) {
  const response = await fetch(url, { headers: { "HX-Request": "true" }, credentials: "same-origin" });
  if (!response.ok) return false;
  const template = document.createElement("template");
  template.innerHTML = await response.text();
  for (const row of [...template.content.querySelectorAll("tr[id]")]) {
    const current = document.getElementById(row.id);
    if (current) {
      const held = [...current.querySelectorAll("a, button")].indexOf(document.activeElement);
      current.replaceWith(row);
      // Whoever was on a button of the row by keyboard stays there.
      if (held >= 0) row.querySelectorAll("a, button")[held]?.focus();
    } else {
      body.prepend(row);
    }
    window.htmx.process(row);
  }
  refresh();
  return true;
}

function showConnection() {
  const light = document.getElementById("feed-light");
  const banner = document.getElementById("offline");
  if (!light || !banner) return;
  const { state, silentMs } = socketState();
  const isLost = state === "lost";
  const age = silentMs === null ? "" : agoText(silentMs / 1000);
  // A talking socket is not enough: prices can stand still behind it.
  const quotes = [...document.querySelectorAll("[data-quote]")];
  const isOld = quotes.length > 0 && quotes.every((element) => element.classList.contains("is-stale"));
  const isQuiet = state === "connecting" || silentMs > 10000 || isOld;
  const lightState = isLost ? "down" : isQuiet ? "stale" : "ok";
  light.dataset.state = lightState;
  const words = { ok: "Live prices", stale: "Waiting for prices", down: "Connection lost" }[lightState];
  light.parentElement.title = age ? `${words}, last heard ${age}` : words;
  document.getElementById("feed-words").textContent = words;
  banner.hidden = !isLost;
  if (isLost) document.getElementById("offline-age").textContent = age ? `Last heard ${age}.` : "";
  document.getElementById("main")?.classList.toggle("offline", isLost);
  for (const element of quotes) element.classList.toggle("offline-stale", isLost);
}

function isTyping(target) {
  return target.closest("input, textarea, select, [contenteditable]") !== null;
}

let goUntil = 0;
const ownKeys = new Map([
  ["?", () => document.getElementById("help")?.showModal()],
  ["/", () => document.getElementById("search")?.focus()],
  ["b", () => document.querySelector("[data-key='b']")?.click()],
  ["s", () => document.querySelector("[data-key='s']")?.click()],
  ["n", () => document.querySelector("[data-key='n']")?.click()],
]);

function pressed(event) {
  if (event.ctrlKey || event.metaKey || event.altKey || isTyping(event.target)) {
    if (event.key === "Escape" && event.target.id === "search") event.target.blur();
    return;
  }
  if (document.querySelector("dialog[open]")) return;
  if (goUntil > performance.now() && GO[event.key]) {
    goUntil = 0;
    document.querySelector(`[data-go="${GO[event.key]}"]`)?.click();
    return;
  }
  goUntil = event.key === "g" ? performance.now() + GO_WAIT_MS : 0;
  const act = ownKeys.get(event.key);
  if (!act) return;
  event.preventDefault();
  act();
}

function clicked(event) {
  for (const menu of document.querySelectorAll("details[data-menu][open]")) {
    if (!menu.contains(event.target)) menu.open = false;
  }
  const opener = event.target.closest("[data-open]");
  if (opener) document.getElementById(opener.dataset.open)?.showModal();
  if (event.target.closest("[data-close]")) event.target.closest("dialog")?.close();
  if (event.target.matches?.("dialog")) event.target.close();
}

function lock(form, isSent) {
  for (const button of form.querySelectorAll("button")) button.disabled = isSent;
}

function start() {
  document.addEventListener("keydown", pressed);
  document.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    for (const menu of document.querySelectorAll("details[data-menu][open]")) menu.open = false;
    const results = document.getElementById("search-results");
    if (results) results.replaceChildren();
  });
  document.addEventListener("click", clicked);
  // A form that must not be sent twice: the cookie of a trusted device is good for one log-in.
  document.addEventListener("submit", ({ target }) => {
    if (target.matches("[data-once]")) setTimeout(() => lock(target, true));
  });
  addEventListener("pageshow", () => {
    for (const form of document.querySelectorAll("form[data-once]")) lock(form, false);
  });
  document.addEventListener("change", (event) => {
    if (event.target.matches("[data-submit-on-change]")) event.target.form.requestSubmit();
  });
  document.body.addEventListener("fb:notice", (event) => toast(event.detail.message, event.detail.tone));
  document.body.addEventListener("fb:toast", (event) => toast(event.detail.message, event.detail.tone));
  document.body.addEventListener("fb:bot", ({ detail }) => {
    for (const refusal of detail.refusals ?? []) toast(refusal, "warning");
    if (detail.status === "ERROR") toast(detail.message || "A bot needs you.", "error");
  });
  document.body.addEventListener("fb:order", ({ detail }) => {
    if (detail.status === "REJECTED") toast("An order was rejected; its row says why.", "error");
  });
  document.body.addEventListener("htmx:after:swap", () => {
    const dialog = document.querySelector("dialog[data-show]:not([open])");
    dialog?.showModal();
  });
  document.body.addEventListener("htmx:error", () => {
    toast("That did not reach the server. Nothing was changed; try again.", "error");
  });
  for (const line of document.querySelectorAll("#toasts .toast-line")) setTimeout(() => line.remove(), TOAST_MS);
  // On a phone the current tab may lie outside its row.
  const tab = document.querySelector(".tabs-line [aria-current]");
  const row = tab?.parentElement;
  const hidden = tab ? tab.offsetLeft + tab.offsetWidth - row.offsetLeft - row.clientWidth : 0;
  if (hidden > 0) row.scrollLeft = row.scrollWidth;
  if (document.body.dataset.live === undefined) return;
  document.body.addEventListener("fb:socket", showConnection);
  document.body.addEventListener("fb:quotes", showConnection);
  setInterval(showConnection, 2000);
}

start();
