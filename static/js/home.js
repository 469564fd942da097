// The home page: where each bot's price stands in its range.
import { watchRanges } from "./lib/range_meter.js";

watchRanges();
