// What every console page loads: htmx, the one WebSocket, number formatting and the frame.
// Page modules import from here (`../dist/app.js`), so there is one socket per page.
import "htmx.org";
import "../js/lib/presence.js";

export { agoText, decimalsOf, formatMoney, formatNumber, groupDigits } from "../js/lib/format.js";
export { onEvent, onQuote, refresh, socketState } from "../js/lib/socket.js";
export { coalesce, replaceRows, toast } from "../js/lib/frame.js";
