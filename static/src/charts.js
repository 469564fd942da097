// lightweight-charts by TradingView (Apache-2.0); its notice is in the page footer.
export {
  CandlestickSeries,
  HistogramSeries,
  LineSeries,
  LineStyle,
  createChart,
  createSeriesMarkers,
} from "lightweight-charts";
