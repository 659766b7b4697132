/** Sentences come from the catalogue of the program; this page has none of its own. */

let texts = {};

export async function learn() {
  const wanted = new URLSearchParams(location.search).get("language") ?? navigator.language;
  const answer = await fetch(`/words?language=${encodeURIComponent(wanted)}`);
  const { language, texts: found } = await answer.json();
  texts = found;
  document.documentElement.lang = language;
  document.title = w("title");
}

/** The sentence for a key, its {named} places filled; the key itself when there is none. */
export function w(key, params = {}) {
  const text = texts[key] ?? key;
  return text.replace(/\{(\w+)\}/g, (place, name) => params[name] ?? place);
}

/** A sentence that may be missing, or null. */
export function maybe(key, params) {
  return key in texts ? w(key, params) : null;
}
