/** Text of Block Kit made safe for the renderer, which unescapes before it looks for markup. */

const GUARD = "\u2060";

/** An escaped `&lt;!channel&gt;` must stay text: an invisible joiner keeps it from being read as markup. */
function guarded(text) {
  return text.replaceAll("&lt;", `&lt;${GUARD}`).replaceAll(/&amp;(?=(?:lt|gt|amp);)/g, `&amp;${GUARD}`);
}

/** The same tree with every text guarded; addresses and ids stay as they are. */
export function guardedTree(node) {
  if (Array.isArray(node)) return node.map(guardedTree);
  if (node === null || typeof node !== "object") return node;
  return Object.fromEntries(
    Object.entries(node).map(([key, value]) => [
      key,
      typeof value === "string" && key === "text" ? guarded(value) : guardedTree(value),
    ]),
  );
}

/** The time of day of a message stamp. */
export function clock(ts) {
  return new Date(Number(ts) * 1000).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });
}

/** Undoes the three entities of plain text. */
export function plain(text) {
  return text.replaceAll("&lt;", "<").replaceAll("&gt;", ">").replaceAll("&amp;", "&");
}
