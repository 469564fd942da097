// Values of holdings follow the price; quantities and costs come from the server.
import { formatMoney, formatNumber, onQuote } from "../dist/app.js";

function toned(element, value, text) {
  if (!element) return;
  element.textContent = text;
  element.classList.toggle("up", value > 0);
  element.classList.toggle("down", value < 0);
}

function revalue() {
  const totals = new Map();
  for (const row of document.querySelectorAll("[data-position]")) {
    const price = Number(row.querySelector("[data-field='p']")?.dataset.raw);
    if (!Number.isFinite(price)) return;
    const asset = row.dataset.asset;
    const cost = Number(row.dataset.cost);
    const value = Number(row.dataset.quantity) * price;
    const gain = value - cost;
    row.querySelector("[data-value]").textContent = formatMoney(value, asset);
    toned(row.querySelector("[data-unrealised]"), gain, formatMoney(gain, asset, { signed: true }));
    const percent = cost ? `${gain > 0 ? "+" : ""}${formatNumber((gain / Math.abs(cost)) * 100, 2)} %` : "-";
    row.querySelector("[data-unrealised-percent]").textContent = percent;
    const total = totals.get(asset) ?? { value: 0, gain: 0 };
    totals.set(asset, { value: total.value + value, gain: total.gain + gain });
  }
  for (const [asset, total] of totals) {
    const value = document.querySelector(`[data-total-value="${CSS.escape(asset)}"]`);
    if (value) value.textContent = formatMoney(total.value, asset);
    const gain = document.querySelector(`[data-total-unrealised="${CSS.escape(asset)}"]`);
    toned(gain, total.gain, formatMoney(total.gain, asset, { signed: true }));
  }
}

let isQueued = false;
onQuote(() => {
  if (isQueued) return;
  isQueued = true;
  requestAnimationFrame(() => {
    isQueued = false;
    revalue();
  });
});
