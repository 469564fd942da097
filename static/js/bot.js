// A bot's page: its chart with levels and fills stays in step with what the server says.
import { coalesce, onEvent, onQuote } from "../dist/app.js";
import { LineStyle } from "../dist/charts.js";
import { LiveCandles, candleChart, keepInSight } from "./lib/charts.js";

const element = document.getElementById("chart");
const token = Number(element.dataset.token);
const bot = Number(element.dataset.bot);
const live = new LiveCandles(element, candleChart(element, { zone: element.dataset.zone, tick: element.dataset.tick }));
let lines = [];
let shown = "";

function showLevels() {
  const holder = document.getElementById("ladder-data");
  if (!holder || holder.textContent === shown) return;
  shown = holder.textContent;
  const { candles, colours } = live.parts;
  for (const line of lines) candles.removePriceLine(line);
  const tones = { BUY: colours.buy, SELL: colours.sell, stop_loss: colours.down, take_profit: colours.up, trigger_price: colours.accent };
  const levels = JSON.parse(shown);
  keepInSight(candles, levels.filter(({ title }) => !title).map(({ price }) => Number(price)));
  lines = levels.map(({ price, kind, title }) =>
    candles.createPriceLine({
      price: Number(price),
      color: tones[kind] ?? colours.quiet,
      title,
      lineWidth: 1,
      lineStyle: title ? LineStyle.Solid : LineStyle.Dotted,
      axisLabelVisible: Boolean(title),
    }),
  );
}

for (const button of document.querySelectorAll("[data-interval]")) {
  button.addEventListener("click", () => {
    for (const other of document.querySelectorAll("[data-interval]")) {
      other.setAttribute("aria-pressed", String(other === button));
    }
    live.load(button.dataset.interval);
  });
}
onQuote((quote) => {
  if (quote.i === token) live.quote(quote);
});
const refreshFills = coalesce(() => live.reloadFills(), 800);
const refreshAll = coalesce(() => document.body.dispatchEvent(new CustomEvent("fb:this-bot")), 500);
onEvent("trade", refreshFills);
for (const kind of ["trade", "order", "resumed"]) onEvent(kind, () => refreshAll());
onEvent("bot", (detail) => {
  if (Number(detail.id) === bot) refreshAll();
});
document.body.addEventListener("htmx:after:swap", showLevels);
await live.load("5minute");
showLevels();
