import { useEffect, useRef } from "react";
import { Mrkdwn } from "./blocks.jsx";
import { plain } from "./text.js";

/** Slack's question before a button counts. `answer(true)` or `answer(false)` ends it. */
export function Confirm({ question, answer }) {
  const dialog = useRef(null);
  useEffect(() => dialog.current.showModal(), []);
  return (
    <dialog
      ref={dialog}
      className="dialog small"
      aria-labelledby="question"
      onCancel={(event) => {
        event.preventDefault();
        answer(false);
      }}
    >
      <h2 id="question">{plain(question.title.text)}</h2>
      <div className="dialog-body">
        {question.text.type === "mrkdwn" ? <Mrkdwn text={question.text.text} /> : <p>{plain(question.text.text)}</p>}
      </div>
      <footer>
        <button type="button" className="button" onClick={() => answer(false)}>
          {plain(question.deny.text)}
        </button>
        <button
          type="button"
          className={`button filled ${question.style ?? "primary"}`}
          onClick={() => answer(true)}
          autoFocus
        >
          {plain(question.confirm.text)}
        </button>
      </footer>
    </dialog>
  );
}
