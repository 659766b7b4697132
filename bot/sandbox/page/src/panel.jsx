import { Tour } from "./tour.jsx";
import { Trouble } from "./trouble.jsx";
import { w } from "./words.js";

/** What stands beside the conversation: the tour, or the drawer of things that go wrong. */
export function Panel({ which, tools }) {
  return (
    <aside className={`side panel ${which}`} aria-label={w(which)}>
      <header className="bar">
        <h2>{w(`${which}-title`)}</h2>
        <button type="button" className="plain" aria-label={w("close")} onClick={() => tools.setPanel(null)}>
          ✕
        </button>
      </header>
      <div className="panel-body">{which === "tour" ? <Tour tools={tools} /> : <Trouble />}</div>
    </aside>
  );
}
