// An instrument's page: live candles with own fills, depth with cumulative bars, the ticket.
import { coalesce, decimalsOf, formatNumber, onEvent, onQuote } from "../dist/app.js";
import { LiveCandles, candleChart } from "./lib/charts.js";
import { watchOrders } from "./lib/order_rows.js";

const DEPTH_EVERY_MS = 1000;
const element = document.getElementById("chart");
const token = Number(element.dataset.token);
const live = new LiveCandles(element, candleChart(element, { zone: element.dataset.zone, tick: element.dataset.tick }));
const note = document.getElementById("chart-note");

async function show(interval) {
  const count = await live.load(interval);
  note.textContent = count ? "" : "No candles of this length yet; they appear as prices come in.";
  if (count) live.parts.chart.timeScale().scrollToRealTime();
}

for (const button of document.querySelectorAll("[data-interval]")) {
  button.addEventListener("click", () => {
    for (const other of document.querySelectorAll("[data-interval]")) {
      other.setAttribute("aria-pressed", String(other === button));
    }
    show(button.dataset.interval);
  });
}
onQuote((quote) => {
  if (quote.i === token) live.quote(quote);
});
const reloadFills = coalesce(() => live.reloadFills(), 800);
onEvent("trade", () => reloadFills());
onEvent("resumed", () => show(live.interval));

const depth = document.getElementById("depth");
const tickDecimals = decimalsOf(depth.dataset.tick);
const lotDecimals = decimalsOf(depth.dataset.lot);

function paintSide(side, levels, largest, isReversed) {
  const rows = [...depth.querySelectorAll(`[data-side="${side}"] .depth-row`)];
  if (isReversed) rows.reverse();
  let sum = 0;
  rows.forEach((row, index) => {
    const [price, quantity] = levels[index] ?? [];
    sum += Number(quantity ?? 0);
    const hasLevel = price !== undefined;
    row.querySelector("[data-price]").textContent = hasLevel ? formatNumber(price, tickDecimals, depth.dataset.asset) : "";
    row.querySelector("[data-quantity]").textContent = hasLevel ? formatNumber(quantity, lotDecimals, depth.dataset.asset) : "";
    row.querySelector(".depth-bar").style.width = hasLevel && largest > 0 ? `${(100 * sum) / largest}%` : "0";
  });
}

function total(levels) {
  return levels.reduce((sum, [, quantity]) => sum + Number(quantity), 0);
}

async function paintDepth() {
  if (document.hidden) return;
  const book = await live.fetchJson(depth.dataset.address).catch(() => null);
  if (!book) return;
  const largest = Math.max(total(book.bids), total(book.asks));
  paintSide("asks", book.asks, largest, true);
  paintSide("bids", book.bids, largest, false);
  const spread = book.asks.length && book.bids.length ? Number(book.asks[0][0]) - Number(book.bids[0][0]) : null;
  document.getElementById("spread").textContent = spread === null ? "-" : formatNumber(spread, tickDecimals);
}

// The ticket is swapped whole, so its listeners sit on the page.
function fitTicket() {
  const ticket = document.getElementById("ticket");
  const type = ticket?.querySelector("[name='order_type']")?.value;
  if (!type) return;
  for (const field of ticket.querySelectorAll("[data-needs]")) {
    field.hidden = !field.dataset.needs.split(" ").includes(type);
  }
  const side = ticket.querySelector("[name='side']:checked")?.value ?? "BUY";
  const submit = ticket.querySelector("[type='submit']");
  submit.textContent = side === "BUY" ? "Buy" : "Sell";
  submit.classList.toggle("btn-info", side === "BUY");
  submit.classList.toggle("btn-warning", side === "SELL");
  submit.classList.remove("btn-primary");
}

document.addEventListener("change", (event) => {
  if (event.target.closest("#ticket")) fitTicket();
});
document.body.addEventListener("htmx:after:swap", fitTicket);
document.addEventListener("click", (event) => {
  const price = event.target.closest("[data-price]")?.textContent.replaceAll(",", "");
  const input = document.getElementById("ticket-price");
  if (!price || !input) return;
  input.value = price;
  input.dispatchEvent(new Event("input", { bubbles: true }));
});

fitTicket();
show("5minute");
paintDepth();
setInterval(paintDepth, DEPTH_EVERY_MS);
watchOrders((detail) => Number(detail.instrument_id) === token);
