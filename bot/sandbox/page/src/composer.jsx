import { useEffect, useId, useRef, useState } from "react";
import { useNow, useStage } from "./context.js";
import { w } from "./words.js";

/** The field at the bottom: messages, and slash commands with completion. */
export function Composer({ room, thread = "", label }) {
  const { act } = useStage();
  const { screen, draft, setDraft } = useNow();
  const [text, setText] = useState("");
  const [chosen, setChosen] = useState(0);
  const field = useRef(null);
  const written = useRef(false);
  const list = useId();

  // The tour writes for people; a thread takes no commands.
  useEffect(() => {
    if (draft && !thread) {
      setText(draft);
      setDraft("");
      written.current = true;
    }
  }, [draft, thread]);
  // Focused only once the text stands there: an Enter before that would send nothing.
  useEffect(() => {
    if (!draft && written.current) {
      written.current = false;
      field.current.focus();
    }
  }, [draft]);
  useEffect(() => {
    const { style } = field.current;
    style.height = "auto";
    style.height = `${Math.min(field.current.scrollHeight, 160)}px`;
  }, [text]);

  const offered = thread ? [] : completions(screen.commands, text);
  const active = Math.min(chosen, offered.length - 1);
  const complete = (command) => {
    setText(`${command.name} `);
    setChosen(0);
    field.current.focus();
  };
  const send = async () => {
    const typed = text.trim();
    if (!typed) return;
    const command = thread ? null : /^(\/\S+)\s*([^]*)$/.exec(typed);
    setText("");
    const answer = command
      ? await act({ do: "command", room, name: command[1], text: command[2] })
      : await act({ do: "say", room, text: typed, thread });
    if (answer.problem) setText(text);
  };
  const onKey = (event) => {
    if (event.nativeEvent.isComposing) return;
    if (offered.length && (event.key === "ArrowDown" || event.key === "ArrowUp")) {
      event.preventDefault();
      const step = event.key === "ArrowDown" ? 1 : offered.length - 1;
      setChosen((active + step) % offered.length);
    } else if (offered.length && (event.key === "Tab" || event.key === "Enter") && offered[active].name !== text.trim()) {
      event.preventDefault();
      complete(offered[active]);
    } else if (event.key === "Enter" && !event.shiftKey) {
      event.preventDefault();
      send();
    }
  };

  return (
    <form
      className="composer"
      onSubmit={(event) => {
        event.preventDefault();
        send();
      }}
    >
      {offered.length > 0 && (
        <ul className="completions" role="listbox" id={list} aria-label={w("commands")}>
          {offered.map((command, number) => (
            <li
              key={command.name}
              id={`${list}-${number}`}
              role="option"
              aria-selected={number === active}
              onMouseDown={(event) => {
                event.preventDefault();
                complete(command);
              }}
            >
              <b>{command.name}</b> <span>{command.usage}</span>
              <small>{command.description}</small>
            </li>
          ))}
        </ul>
      )}
      <textarea
        ref={field}
        rows={1}
        value={text}
        aria-label={label}
        placeholder={thread ? w("reply-here") : w("write-hint")}
        aria-haspopup={thread ? undefined : "listbox"}
        aria-controls={offered.length ? list : undefined}
        aria-autocomplete="list"
        aria-activedescendant={offered.length ? `${list}-${active}` : undefined}
        spellCheck={false}
        onChange={(event) => setText(event.target.value)}
        onKeyDown={onKey}
      />
      <button type="submit" className="send" aria-label={w("send")} disabled={!text.trim()}>
        <svg viewBox="0 0 24 24" aria-hidden="true">
          <path d="M4 4l17 8-17 8 3-8z" />
        </svg>
      </button>
    </form>
  );
}

function completions(commands, text) {
  if (!text.startsWith("/") || /\s/.test(text)) return [];
  return commands.filter((command) => command.name.startsWith(text.toLowerCase()));
}
