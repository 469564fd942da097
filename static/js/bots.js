// The list of bots: where each price stands in its range.
import { watchRanges } from "./lib/range_meter.js";

watchRanges();
