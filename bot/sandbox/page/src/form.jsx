import { useEffect, useRef, useState } from "react";
import { Blocks } from "./blocks.jsx";
import { useStage } from "./context.js";
import { plain } from "./text.js";
import { Undrawn } from "./undrawn.jsx";
import { w } from "./words.js";

/** A modal of the app: its fields, the app's complaints beside them, submit and close. */
export function Form({ view }) {
  const { act } = useStage();
  const { body } = view;
  const dialog = useRef(null);
  const [values, setValues] = useState(() => initialValues(body.blocks));
  const [errors, setErrors] = useState({});
  const [busy, setBusy] = useState(false);

  useEffect(() => {
    if (!dialog.current.open) dialog.current.showModal();
    dialog.current.querySelector("input, textarea, select")?.focus();
  }, []);
  const close = () => act({ do: "close", view: view.id });
  const submit = async (event) => {
    event.preventDefault();
    setBusy(true);
    const answer = await act({ do: "submit", view: view.id, values });
    setBusy(false);
    setErrors(answer.errors ?? {});
    const first = Object.keys(answer.errors ?? {})[0];
    if (first) dialog.current.querySelector(`[data-block="${CSS.escape(first)}"] .field`)?.focus();
  };

  return (
    <dialog
      ref={dialog}
      className="dialog"
      aria-labelledby={`title-${view.id}`}
      onCancel={(event) => {
        event.preventDefault();
        close();
      }}
    >
      <form onSubmit={submit} noValidate>
        <header>
          <h2 id={`title-${view.id}`}>{plain(body.title.text)}</h2>
          <button type="button" className="plain" aria-label={w("close")} onClick={close}>
            ✕
          </button>
        </header>
        <div className="dialog-body">
          {body.blocks.map((block) =>
            block.type === "input" ? (
              <Input
                key={block.block_id}
                block={block}
                value={values[block.block_id]}
                error={errors[block.block_id]}
                change={(value) => setValues({ ...values, [block.block_id]: value })}
              />
            ) : (
              <Blocks
                key={block.block_id}
                blocks={[block]}
                press={(element, _block, value) =>
                  act({ do: "click-view", view: view.id, action: element.action_id, value })
                }
              />
            ),
          )}
        </div>
        <footer>
          {body.close && (
            <button type="button" className="button" onClick={close}>
              {plain(body.close.text)}
            </button>
          )}
          {body.submit && (
            <button type="submit" className="button filled primary" disabled={busy} aria-busy={busy}>
              {plain(body.submit.text)}
            </button>
          )}
        </footer>
      </form>
    </dialog>
  );
}

/** The blocks of a form or of the Home tab, to be looked at: what is typed goes nowhere. */
export function Fields({ blocks }) {
  const [values, setValues] = useState(() => initialValues(blocks));
  return blocks.map((block, number) =>
    block.type === "input" ? (
      <Input
        key={block.block_id}
        block={block}
        value={values[block.block_id]}
        change={(value) => setValues({ ...values, [block.block_id]: value })}
      />
    ) : (
      <Blocks key={number} blocks={[block]} press={() => {}} />
    ),
  );
}

function Input({ block, value, error, change }) {
  const id = `field-${block.block_id}`;
  const described = [error && `${id}-error`, block.hint && `${id}-hint`].filter(Boolean).join(" ");
  const shared = {
    id,
    className: "field",
    "aria-invalid": Boolean(error),
    "aria-describedby": described || undefined,
    value: value ?? "",
    onChange: (event) => change(event.target.value),
  };
  return (
    <div className="input" data-block={block.block_id}>
      <label htmlFor={id}>
        {plain(block.label.text)} {block.optional && <small>{w("form.optional")}</small>}
      </label>
      <Field element={block.element} shared={shared} optional={block.optional} change={change} />
      {error && (
        <p className="error" id={`${id}-error`} role="alert">
          {plain(error)}
        </p>
      )}
      {block.hint && (
        <p className="hint" id={`${id}-hint`}>
          {plain(block.hint.text)}
        </p>
      )}
    </div>
  );
}

function Field({ element, shared, optional, change }) {
  if (element.type === "file_input") {
    const { value, ...rest } = shared;
    const take = async ([file]) =>
      change(file ? { name: file.name, bytes: [...new Uint8Array(await file.arrayBuffer())] } : "");
    return (
      <input type="file" accept=".csv" {...rest} onChange={(event) => take([...event.target.files])} />
    );
  }
  if (element.type === "plain_text_input") {
    return element.multiline ? <textarea rows={3} {...shared} /> : <input type="text" autoComplete="off" {...shared} />;
  }
  if (element.type === "static_select") {
    return (
      <select {...shared}>
        <option value="" disabled={!optional}>
          {element.placeholder ? plain(element.placeholder.text) : "–"}
        </option>
        {element.options.map((option) => (
          <option key={option.value} value={option.value}>
            {[option.text, option.description].filter(Boolean).map((one) => plain(one.text)).join(" · ")}
          </option>
        ))}
      </select>
    );
  }
  return <Undrawn kind={element.type} />;
}

function initialValues(blocks) {
  const inputs = blocks.filter((block) => block.type === "input");
  return Object.fromEntries(
    inputs.map(({ block_id, element }) => [block_id, element.initial_value ?? element.initial_option?.value ?? ""]),
  );
}
