// Builds static/dist: app.css (Tailwind + DaisyUI), app.js (htmx, socket, frame), charts.js.
import { spawnSync } from "node:child_process";
import { mkdirSync, readFileSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { build } from "esbuild";

const here = dirname(fileURLToPath(import.meta.url));
const dist = join(here, "..", "dist");
const FIRST_PAGE_BUDGET = 120_000;

rmSync(dist, { recursive: true, force: true });
mkdirSync(dist, { recursive: true });

const tailwind = join(here, "node_modules", "@tailwindcss", "cli", "dist", "index.mjs");
const css = spawnSync(
  process.execPath,
  [tailwind, "-i", join(here, "app.css"), "-o", join(dist, "app.css"), "--minify"],
  { cwd: here, encoding: "utf8" },
);
if (css.status !== 0) {
  process.stderr.write(css.stderr || String(css.error));
  process.exit(1);
}

await build({
  entryPoints: { app: join(here, "vendor.js"), charts: join(here, "charts.js") },
  outdir: dist,
  bundle: true,
  format: "esm",
  minify: true,
  target: "es2022",
  legalComments: "eof",
  logLevel: "warning",
});

let total = 0;
for (const name of ["app.css", "app.js", "charts.js"]) {
  const size = gzipSync(readFileSync(join(dist, name))).length;
  total += size;
  console.log(`${name.padEnd(10)} ${(size / 1000).toFixed(1)} kB compressed`);
}
console.log(`together   ${(total / 1000).toFixed(1)} kB of ${FIRST_PAGE_BUDGET / 1000} kB`);
if (total > FIRST_PAGE_BUDGET) {
  console.error("The first page is over its budget.");
  process.exit(1);
}
