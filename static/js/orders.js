// The order page: live rows, and the life of an order in place.
import { watchOrders } from "./lib/order_rows.js";

const table = document.getElementById("orders");
// History holds pages of old orders: new ones join the open and today's lists only.
watchOrders(() => table?.dataset.tab !== "history");
