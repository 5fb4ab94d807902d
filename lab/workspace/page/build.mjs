// Bundles the page, with the renderer of Block Kit in it, into ../static.
import { copyFile, readFile, readdir, writeFile } from "node:fs/promises";
import { createHash } from "node:crypto";
import { join } from "node:path";
import { build } from "esbuild";

// The renderer marks each message with the same id. An id must be unique, so here it becomes a class (:is() keeps the
// weight that the id had in its style sheet). And of each "&gt;" it makes "> ", so that "-> x" shows two spaces.
const SPACED = '.replace(/&gt;/g,"> ")';
const TIGHT = SPACED.replace("> ", ">");
const mended = {
  name: "mended",
  setup(builder) {
    builder.onLoad({ filter: /slack-blocks-to-jsx\/dist\/(index\.mjs|style\.css)$/ }, async ({ path }) => {
      const text = await readFile(path, "utf8");
      return path.endsWith(".css")
        ? { contents: text.replaceAll("#slack_blocks_to_jsx", ":is(#none, .slack_blocks_to_jsx)"), loader: "css" }
        : { contents: text.replaceAll('id:"slack_blocks_to_jsx",', "").replaceAll(SPACED, TIGHT), loader: "js" };
    });
  },
};

const { metafile } = await build({
  entryPoints: { page: "src/main.jsx" },
  outdir: "../static",
  bundle: true,
  minify: true,
  format: "esm",
  target: "es2022",
  jsx: "automatic",
  legalComments: "none", // the whole licences are written below
  metafile: true,
  define: { "process.env.NODE_ENV": '"production"' },
  plugins: [mended],
});
await copyFile("index.html", "../static/index.html");
await copyFile("favicon.svg", "../static/favicon.svg");

const packages = new Set();
for (const path of Object.keys(metafile.inputs)) {
  const found = path.match(/^(node_modules\/(?:@[^/]+\/)?[^/]+)\//);
  if (found) packages.add(found[1]);
}
const licences = await Promise.all([...packages].sort().map(licence));
await writeFile("../static/licences.txt", licences.join(`\n${"-".repeat(80)}\n`));

async function licence(folder) {
  const { name, version, license } = JSON.parse(await readFile(join(folder, "package.json"), "utf8"));
  const file = (await readdir(folder)).find((one) => /^licen[cs]e/i.test(one));
  const text = file ? await readFile(join(folder, file), "utf8") : "";
  return `${name} ${version} (${license})\n\n${text}`;
}

// By this a test sees that the bundle is of these sources.
const sources = ["build.mjs", "index.html", "package-lock.json"];
sources.push(...(await readdir("src")).map((one) => `src/${one}`));
const digest = createHash("sha256");
for (const path of sources.sort()) digest.update(await readFile(path));
await writeFile("../static/sources.sha256", `${digest.digest("hex")}\n`);
