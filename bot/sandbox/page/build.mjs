// Bundles src/ into static/page.js and static/page.css, the same bytes every time: node build.mjs [folder]
import { build } from "esbuild";

await build({
  absWorkingDir: import.meta.dirname ?? new URL(".", import.meta.url).pathname,
  entryPoints: { page: "src/main.jsx" },
  outdir: process.argv[2] ?? "static",
  bundle: true,
  minify: true,
  format: "iife",
  jsx: "automatic",
  target: ["es2022"],
  charset: "utf8",
  define: { "process.env.NODE_ENV": '"production"' },
  // The renderer's markdown block and its second table of emoji: nothing of ours needs them, and they are
  // a third of the bundle. What would need them is shown as a block that this page cannot draw.
  alias: {
    "react-markdown": "./src/absent/markdown.jsx",
    "remark-gfm": "./src/absent/nothing.js",
    "node-emoji": "./src/absent/nothing.js",
  },
  legalComments: "eof",
  logLevel: "warning",
});
