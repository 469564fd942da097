// Numbers as the server writes them (market/domain/formatting.py); texts in, texts out.

export function groupDigits(digits, asset) {
  if (asset !== "INR") return digits.replace(/\B(?=(\d{3})+(?!\d))/g, ",");
  if (digits.length <= 3) return digits;
  const head = digits.slice(0, -3).replace(/\B(?=(\d{2})+(?!\d))/g, ",");
  return `${head},${digits.slice(-3)}`;
}

export function decimalsOf(step) {
  const text = String(step);
  const point = text.indexOf(".");
  return point < 0 ? 0 : text.slice(point + 1).replace(/0+$/, "").length;
}

export function formatNumber(value, decimals, asset) {
  const number = Number(value);
  if (!Number.isFinite(number)) return "-";
  const [whole, fraction] = Math.abs(number).toFixed(decimals).split(".");
  const sign = number < 0 && /[1-9]/.test(whole + (fraction ?? "")) ? "-" : "";
  return sign + groupDigits(whole, asset) + (fraction ? `.${fraction}` : "");
}

export function formatMoney(value, asset, { signed = false } = {}) {
  const number = Number(value);
  const text = formatNumber(Math.abs(number), 2, asset);
  const isZero = !/[1-9]/.test(text);
  const sign = isZero ? "" : number < 0 ? "-" : signed ? "+" : "";
  return asset === "INR" ? `${sign}Rs. ${text}` : `${sign}${text} ${asset}`;
}

export function agoText(seconds) {
  if (seconds < 5) return "just now";
  if (seconds < 60) return `${Math.floor(seconds)} s ago`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ago`;
  if (seconds < 86400) return `${Math.floor(seconds / 3600)} h ago`;
  return `${Math.floor(seconds / 86400)} d ago`;
}
