import { w } from "./words.js";

/** A block or element that this page cannot draw: said, never left out. */
export function Undrawn({ kind }) {
  return <p className="undrawn">{w("undrawn", { kind })}</p>;
}
