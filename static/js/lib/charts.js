// Charts in the colours of the page, in the user's time zone. Points carry UNIX seconds.
import {
  CandlestickSeries,
  HistogramSeries,
  createChart,
  createSeriesMarkers,
} from "../../dist/charts.js";

function colour(name, alpha = 1) {
  const probe = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  probe.fillStyle = getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  probe.fillRect(0, 0, 1, 1);
  const [red, green, blue] = probe.getImageData(0, 0, 1, 1).data;
  return `rgba(${red}, ${green}, ${blue}, ${alpha})`;
}

export function palette() {
  return {
    text: colour("--color-base-content", 0.75),
    line: colour("--color-base-300", 0.7),
    back: colour("--color-base-100"),
    up: colour("--color-success"),
    upSoft: colour("--color-success", 0.28),
    down: colour("--color-error"),
    downSoft: colour("--color-error", 0.28),
    accent: colour("--color-primary"),
    accentSoft: colour("--color-primary", 0.45),
    buy: colour("--color-info"),
    sell: colour("--color-warning"),
    quiet: colour("--color-secondary", 0.8),
  };
}

function clockOf(zone) {
  const hour = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", timeZone: zone });
  const day = new Intl.DateTimeFormat("en-GB", { day: "2-digit", month: "short", timeZone: zone });
  const full = new Intl.DateTimeFormat("en-GB", {
    day: "2-digit", month: "short", hour: "2-digit", minute: "2-digit", timeZone: zone,
  });
  return {
    // Tick kinds of the library: 0 year, 1 month, 2 day, 3 time, 4 time with seconds.
    mark: (time, kind) => (kind < 3 ? day : hour).format(new Date(time * 1000)),
    full: (time) => full.format(new Date(time * 1000)),
  };
}

export function plainChart(element, { zone, tick, options = {} }) {
  const colours = palette();
  const clock = clockOf(zone);
  const decimals = (String(tick).split(".")[1] ?? "").length;
  const chart = createChart(element, {
    autoSize: true,
    layout: {
      attributionLogo: false,
      background: { color: "transparent" },
      textColor: colours.text,
      fontFamily: getComputedStyle(document.body).fontFamily,
    },
    grid: { vertLines: { color: colours.line }, horzLines: { color: colours.line } },
    rightPriceScale: { borderVisible: false },
    timeScale: { borderVisible: false, timeVisible: true, tickMarkFormatter: clock.mark },
    localization: { timeFormatter: clock.full },
    ...options,
  });
  return { chart, colours, decimals };
}

export function candleChart(element, { zone, tick }) {
  const { chart, colours, decimals } = plainChart(element, { zone, tick });
  const candles = chart.addSeries(CandlestickSeries, {
    upColor: colours.up,
    downColor: colours.down,
    wickUpColor: colours.up,
    wickDownColor: colours.down,
    borderVisible: false,
    priceFormat: { type: "price", precision: decimals, minMove: Number(tick) },
  });
  const volume = chart.addSeries(HistogramSeries, {
    priceScaleId: "volume",
    priceFormat: { type: "volume" },
    lastValueVisible: false,
    priceLineVisible: false,
  });
  chart.priceScale("volume").applyOptions({ scaleMargins: { top: 0.84, bottom: 0 } });
  chart.priceScale("right").applyOptions({ scaleMargins: { top: 0.06, bottom: 0.2 } });
  const markers = createSeriesMarkers(candles, []);
  return { chart, candles, volume, markers, colours };
}

export const INTERVAL_SECONDS = { minute: 60, "5minute": 300, "15minute": 900, "60minute": 3600, day: 86400 };

export function barOf(row) {
  return {
    time: row.time,
    open: Number(row.open),
    high: Number(row.high),
    low: Number(row.low),
    close: Number(row.close),
  };
}

export function volumeOf(row, colours) {
  const isUp = Number(row.close) >= Number(row.open);
  return { time: row.time, value: Number(row.volume), color: isUp ? colours.upSoft : colours.downSoft };
}

// Marks of fills sit on the bar that holds them; the library wants them in order of time.
export function fillMarks(fills, seconds, firstTime, colours) {
  return fills
    .map((fill) => ({ ...fill, bar: firstTime + Math.floor((fill.time - firstTime) / seconds) * seconds }))
    .filter((fill) => fill.bar >= firstTime)
    .sort((one, other) => one.bar - other.bar)
    .map((fill) => ({
      time: fill.bar,
      position: fill.side === "BUY" ? "belowBar" : "aboveBar",
      shape: fill.side === "BUY" ? "arrowUp" : "arrowDown",
      color: fill.side === "BUY" ? colours.buy : colours.sell,
      size: 0.8,
    }));
}

// Keeps a candle chart loaded and alive: history by fetch, the newest bar by quotes.
export class LiveCandles {
  constructor(element, parts) {
    this.element = element;
    this.parts = parts;
    this.interval = "5minute";
    this.newest = null;
    this.fills = [];
    this.loadedAt = 0;
  }

  async load(interval = this.interval) {
    this.interval = interval;
    const [bars, fills] = await Promise.all([
      this.fetchJson(`${this.element.dataset.candles}?interval=${interval}`),
      this.fetchJson(this.element.dataset.fills),
    ]);
    if (interval !== this.interval || !bars) return 0;
    const { candles, volume, colours } = this.parts;
    candles.setData(bars.bars.map(barOf));
    volume.setData(bars.bars.map((row) => volumeOf(row, colours)));
    this.first = bars.bars[0]?.time ?? 0;
    this.newest = bars.bars.length ? barOf(bars.bars.at(-1)) : null;
    this.fills = fills?.fills ?? [];
    this.mark();
    return bars.bars.length;
  }

  async reloadFills() {
    const fills = await this.fetchJson(this.element.dataset.fills);
    this.fills = fills?.fills ?? this.fills;
    this.mark();
  }

  mark() {
    const { markers, colours } = this.parts;
    markers.setMarkers(fillMarks(this.fills, INTERVAL_SECONDS[this.interval], this.first, colours));
  }

  quote({ p, ts }) {
    const price = Number(p);
    const seconds = INTERVAL_SECONDS[this.interval];
    if (!this.newest || !Number.isFinite(price)) return;
    const at = ts ? Math.floor(new Date(ts).getTime() / 1000) : this.newest.time;
    if (at < this.newest.time) return;
    const steps = Math.floor((at - this.newest.time) / seconds);
    this.newest =
      steps > 0
        ? { time: this.newest.time + steps * seconds, open: price, high: price, low: price, close: price }
        : {
            ...this.newest,
            high: Math.max(this.newest.high, price),
            low: Math.min(this.newest.low, price),
            close: price,
          };
    this.parts.candles.update(this.newest);
  }

  async fetchJson(address) {
    const response = await fetch(address, { credentials: "same-origin" });
    return response.ok ? response.json() : null;
  }
}

// Widens a chart's price scale so that these prices are always in sight.
export function keepInSight(candles, prices) {
  candles.applyOptions({
    autoscaleInfoProvider: (original) => {
      const info = original();
      if (!info || !prices.length) return info;
      info.priceRange.minValue = Math.min(info.priceRange.minValue, ...prices);
      info.priceRange.maxValue = Math.max(info.priceRange.maxValue, ...prices);
      return info;
    },
  });
}
