import { Undrawn } from "../undrawn.jsx";

/** In place of the renderer's markdown. */
export default function Markdown() {
  return <Undrawn kind="markdown" />;
}
