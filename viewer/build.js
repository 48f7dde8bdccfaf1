// Bundle the page into the Python package, and the licences of what it contains beside it.
import { build } from "esbuild";
import { copyFile, mkdir, readFile, writeFile } from "node:fs/promises";

const target = process.argv[2] ?? "../src/isocortex/viewer/static";
await mkdir(target, { recursive: true });
await build({
  entryPoints: { viewer: "src/main.js", pair: "src/pair.js" },
  bundle: true,
  minify: true,
  format: "iife", // a module script would not load from a file
  target: ["es2022"],
  legalComments: "eof",
  loader: { ".css": "css" },
  outdir: target,
});
await build({
  entryPoints: ["src/widget.js"], bundle: true, minify: true, format: "esm", target: ["es2022"], outdir: target,
});
for (const page of ["index.html", "pair.html"]) await copyFile(`src/${page}`, `${target}/${page}`);
const licences = [];
for (const name of ["three", "uplot"]) {
  const { version } = JSON.parse(await readFile(`node_modules/${name}/package.json`, "utf8"));
  const text = await readFile(`node_modules/${name}/LICENSE`, "utf8");
  licences.push(`${name} ${version}\n\n${text.trim()}\n`);
}
await writeFile(`${target}/LICENSES.txt`, licences.join(`\n${"-".repeat(72)}\n\n`));
