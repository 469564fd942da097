// A grid's range as a line with a tick per level and a mark where the price is.
import { onQuote } from "../../dist/app.js";

const WIDTH = 320;
const HEIGHT = 32;
const EDGE = 12;

function node(name, attributes) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  return made;
}

function place(price, { lower, upper }) {
  const share = (Number(price) - Number(lower)) / (Number(upper) - Number(lower));
  const inside = Math.min(1.02, Math.max(-0.02, share));
  return EDGE + inside * (WIDTH - 2 * EDGE);
}

function draw(box) {
  const svg = node("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, class: "h-8 w-full", preserveAspectRatio: "none" });
  const plain = { stroke: "currentColor", "vector-effect": "non-scaling-stroke" };
  svg.append(node("line", { ...plain, x1: EDGE, x2: WIDTH - EDGE, y1: 16, y2: 16, opacity: 0.5 }));
  for (const level of box.dataset.levels.split(",").filter(Boolean)) {
    const x = place(level, box.dataset);
    svg.append(node("line", { ...plain, x1: x, x2: x, y1: 11, y2: 21, opacity: 0.6 }));
  }
  const mark = node("line", { ...plain, y1: 3, y2: 29, "stroke-width": 3, class: "text-primary" });
  mark.dataset.mark = "";
  svg.append(mark);
  box.append(svg);
  move(box, box.dataset.price);
}

function move(box, price) {
  const mark = box.querySelector("[data-mark]");
  if (!mark || !price || price === "None") return;
  const x = place(price, box.dataset).toFixed(1);
  mark.setAttribute("x1", x);
  mark.setAttribute("x2", x);
}

export function drawRanges() {
  for (const box of document.querySelectorAll("[data-range]:empty")) draw(box);
}

export function watchRanges() {
  drawRanges();
  document.body.addEventListener("htmx:after:swap", drawRanges);
  onQuote((quote) => {
    for (const box of document.querySelectorAll(`[data-range][data-token="${quote.i}"]`)) move(box, quote.p);
  });
}
