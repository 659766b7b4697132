import { useState } from "react";
import { useStage } from "./context.js";
import { plain } from "./text.js";
import { Undrawn } from "./undrawn.jsx";

/** A button or a list in a message. `press(value)` says what was chosen. */
export function Element({ element, press }) {
  if (element.type === "button") return <Button element={element} press={press} />;
  if (element.type === "static_select" || element.type === "overflow") {
    return <Choice element={element} press={press} />;
  }
  return <Undrawn kind={element.type} />;
}

function Button({ element, press }) {
  const { ask } = useStage();
  const [busy, setBusy] = useState(false);
  const go = async () => {
    if (element.confirm && !(await ask(element.confirm))) return;
    setBusy(true);
    try {
      await press(element.value ?? null);
    } finally {
      setBusy(false);
    }
  };
  return (
    <button
      type="button"
      className={`button ${element.style ?? ""}`}
      data-action={element.action_id}
      aria-busy={busy}
      disabled={busy}
      onClick={go}
    >
      {plain(element.text.text)}
    </button>
  );
}

function Choice({ element, press }) {
  const label = element.placeholder?.text ?? "…";
  return (
    <select
      className="field"
      aria-label={label}
      value={element.initial_option?.value ?? ""}
      onChange={(event) => press(event.target.value)}
    >
      <option value="" disabled>
        {label}
      </option>
      {element.options.map((option) => (
        <option key={option.value} value={option.value}>
          {plain(option.text.text)}
        </option>
      ))}
    </select>
  );
}
