// Keeps a table of orders up to date from private events: only changed rows are fetched.
import { coalesce, onEvent, replaceRows } from "../../dist/app.js";

const GATHER_MS = 400;

async function toggleLife(link) {
  const row = link.closest("tr");
  const open = document.getElementById(`life-${link.dataset.life}`);
  if (open) {
    open.remove();
    link.setAttribute("aria-expanded", "false");
    return;
  }
  const response = await fetch(link.href, { headers: { "HX-Request": "true" }, credentials: "same-origin" });
  if (!response.ok) return;
  const template = document.createElement("template");
  template.innerHTML = await response.text();
  row.after(template.content);
  link.setAttribute("aria-expanded", "true");
}

export function watchOrders(accepts) {
  const table = document.getElementById("orders");
  const body = document.getElementById("order-body");
  const empty = document.getElementById("order-empty");
  if (!table || !body) return;
  const changed = coalesce(async (ids) => {
    const wanted = ids.filter((id) => !document.getElementById(`order-${id}`)?.hasAttribute("data-editing"));
    if (!wanted.length) return;
    await replaceRows(`${table.dataset.rows}?ids=${wanted.join(",")}`, body);
    if (empty) empty.hidden = body.querySelector("tr[data-order]") !== null;
  }, GATHER_MS);
  const reload = coalesce(async () => {
    const response = await fetch(location.href, { credentials: "same-origin" });
    if (!response.ok) return;
    const page = new DOMParser().parseFromString(await response.text(), "text/html");
    body.replaceChildren(...(page.getElementById("order-body")?.children ?? []));
    if (empty) empty.hidden = body.querySelector("tr[data-order]") !== null;
    window.htmx.process(body);
  }, GATHER_MS);
  const heard = (detail) => {
    const id = detail.order_id ?? detail.id;
    // Many orders at once (a ladder) are told as one event without an id.
    if (!id) reload();
    else if (document.getElementById(`order-${id}`) || accepts(detail)) changed(id);
  };
  onEvent("order", heard);
  onEvent("trade", heard);
  onEvent("resumed", () => reload());
  body.addEventListener("click", (event) => {
    const link = event.target.closest("[data-life]");
    if (!link || event.ctrlKey || event.metaKey) return;
    event.preventDefault();
    toggleLife(link);
  });
}
