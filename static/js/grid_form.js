// The Spot Grid form: one preview call while somebody types; errors stand at their fields.
import { LineStyle } from "../dist/charts.js";
import { LiveCandles, candleChart, keepInSight } from "./lib/charts.js";
import { onQuote } from "../dist/app.js";

const form = document.getElementById("bot-form");
const element = document.getElementById("chart");
const token = Number(element.dataset.token);
const live = new LiveCandles(element, candleChart(element, { zone: element.dataset.zone, tick: element.dataset.tick }));
let lines = [];

function showLines(preview) {
  const { candles, colours } = live.parts;
  for (const line of lines) candles.removePriceLine(line);
  lines = [];
  const add = (price, color, title, style) => {
    if (!price) return;
    lines.push(
      candles.createPriceLine({
        price: Number(price), color, title, lineWidth: 1, lineStyle: style, axisLabelVisible: Boolean(title),
      }),
    );
  };
  preview.levels.forEach((level, index) => {
    const isEdge = index === 0 || index === preview.levels.length - 1;
    const side = index < preview.empty_level ? colours.buy : index > preview.empty_level ? colours.sell : colours.quiet;
    add(level, side, isEdge ? (index ? "upper" : "lower") : "", index === preview.empty_level ? LineStyle.Dashed : LineStyle.Dotted);
  });
  add(preview.stop_loss, colours.down, "stop loss", LineStyle.Solid);
  add(preview.take_profit, colours.up, "take profit", LineStyle.Solid);
  add(preview.trigger_price, colours.accent, "trigger", LineStyle.Solid);
  keepInSight(candles, preview.levels.map(Number));
}

function showErrors(errors, touched) {
  for (const place of form.querySelectorAll("[data-error-for]")) {
    const error = errors.find((each) => each.field === place.dataset.errorFor);
    const input = form.elements[place.dataset.errorFor];
    const isShown = error && (error.code !== "REQUIRED" || touched.has(error.field));
    place.textContent = isShown ? error.message : "";
    if (!input?.setAttribute) continue;
    input.classList.toggle("input-error", Boolean(isShown));
    input.setAttribute("aria-invalid", String(Boolean(isShown)));
  }
  const advanced = document.getElementById("advanced");
  if (advanced && errors.some((each) => advanced.querySelector(`[data-error-for="${CSS.escape(each.field)}"]`))) {
    advanced.open = true;
  }
}

const touched = new Set();
form.addEventListener("input", (event) => touched.add(event.target.name));

function read() {
  const holder = document.getElementById("preview-data");
  if (!holder) return;
  const preview = JSON.parse(holder.textContent);
  showErrors(preview.errors, touched);
  document.getElementById("bot-review").disabled = preview.errors.length > 0;
  showLines(preview);
}

const suggestions = document.getElementById("suggestions");
const shape = ["lower", "upper", "grids", "spacing"];

function fill(button) {
  for (const [name, value] of Object.entries(JSON.parse(button.dataset.fill))) {
    if (form.elements[name]) form.elements[name].value = value;
  }
  form.elements.lower.dispatchEvent(new Event("input", { bubbles: true }));
}

function showChosen() {
  for (const button of suggestions.querySelectorAll("[data-fill]")) {
    const values = Object.entries(JSON.parse(button.dataset.fill));
    const isChosen = values.every(([name, value]) => form.elements[name]?.value === value);
    button.setAttribute("aria-pressed", String(isChosen));
  }
}

// The first suggestion arrives after the form: it is taken over unless somebody was faster.
function takeFirst() {
  const first = suggestions.querySelector("[data-fill]");
  if (!first || suggestions.dataset.first === undefined) return;
  delete suggestions.dataset.first;
  if (!shape.some((name) => touched.has(name))) fill(first);
}

suggestions.addEventListener("click", (event) => {
  const button = event.target.closest("[data-fill]");
  if (button) fill(button);
});
form.addEventListener("input", showChosen);
document.getElementById("instrument").addEventListener("change", (event) => {
  location.search = `?instrument=${encodeURIComponent(event.target.value)}`;
});
document.body.addEventListener("htmx:after:swap", () => {
  read();
  takeFirst();
  showChosen();
});
onQuote((quote) => {
  if (quote.i === token) live.quote(quote);
});
await live.load("15minute");
live.parts.chart.timeScale().fitContent();
read();
takeFirst();
showChosen();
