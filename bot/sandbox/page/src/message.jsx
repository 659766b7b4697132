import { memo, useState } from "react";
import { Avatar } from "./avatar.jsx";
import { Blocks, Mrkdwn } from "./blocks.jsx";
import { useStage } from "./context.js";
import { clock } from "./text.js";
import { w } from "./words.js";

const OFFERED = [
  ["white_check_mark", "✅"],
  ["x", "❌"],
  ["eyes", "👀"],
  ["+1", "👍"],
];

/** One message with what can be done to it. `replies` are those of its thread; `open` shows the thread. */
export const Message = memo(function Message({ message, room, replies = [], open, joined }) {
  const { you, act, person } = useStage();
  const author = person(message.user);
  const press = (element, _block, value) =>
    act({ do: "click", room, ts: message.ts, action: element.action_id, value });
  return (
    <li className={`message${message.private ? " private" : ""}${joined ? " joined" : ""}`} data-ts={message.ts}>
      <Avatar person={author} />
      <div className="content">
        {message.private && <p className="only-you">{w("only-you")}</p>}
        {message.thread && open && message.broadcast && (
          <button type="button" className="link" onClick={() => open(message.thread)}>
            {w("in-thread")}
          </button>
        )}
        <p className="head">
          <strong>{author?.full ?? message.user}</strong>
          {message.app && <span className="badge">{w("app")}</span>}
          <time>{clock(message.ts)}</time>
        </p>
        {message.gone ? (
          <p className="gone">{w("deleted")}</p>
        ) : (
          <div className="blocks">
            {message.blocks.length ? <Blocks blocks={message.blocks} press={press} /> : <Mrkdwn text={message.text} />}
            {message.edited && <small className="edited">{w("edited")}</small>}
          </div>
        )}
        {message.files.map((file) => (
          <p key={file.id} className="file">
            📎{" "}
            {file.mode === "tombstone" ? (
              <i className="gone">{w("file-deleted")}</i>
            ) : (
              <a className="link" href={`/shared/${file.id}?as=${you}`} target="_blank" rel="noopener noreferrer">
                {file.title}
              </a>
            )}
            {file.size > 0 && <small> {w("bytes", { n: file.size.toLocaleString() })}</small>}
          </p>
        ))}
        <Reactions message={message} room={room} />
        {replies.length > 0 && open && (
          <button type="button" className="thread-bar" onClick={() => open(message.ts)}>
            <span className="faces">
              {[...new Set(replies.map((one) => one.user))].slice(0, 3).map((id) => (
                <Avatar key={id} person={person(id)} size="tiny" />
              ))}
            </span>
            <b>{w(replies.length === 1 ? "reply" : "replies", { n: replies.length })}</b>
            <span className="last">{w("last-reply", { at: clock(replies.at(-1).ts) })}</span>
          </button>
        )}
      </div>
      {!message.private && !message.gone && <Tools message={message} room={room} open={open} />}
    </li>
  );
});

function Reactions({ message, room }) {
  const { you, act, person } = useStage();
  if (!message.reactions.length) return null;
  return (
    <div className="reactions">
      {message.reactions.map(({ name, sign, users }) => {
        const mine = users.includes(you);
        const who = users.map((id) => person(id)?.name ?? id).join(", ");
        return (
          <button
            key={name}
            type="button"
            className="reaction"
            aria-pressed={mine}
            aria-label={w("reacted", { sign, n: users.length, who })}
            title={who}
            onClick={() => act({ do: mine ? "unreact" : "react", room, ts: message.ts, name })}
          >
            <span aria-hidden="true">{sign}</span> {users.length}
          </button>
        );
      })}
    </div>
  );
}

function Tools({ message, room, open }) {
  const { you, act } = useStage();
  const [shown, setShown] = useState(false);
  const react = (name) => {
    const mine = message.reactions.some((one) => one.name === name && one.users.includes(you));
    setShown(false);
    act({ do: mine ? "unreact" : "react", room, ts: message.ts, name });
  };
  return (
    <div className={`tools${shown ? " open" : ""}`}>
      {shown ? (
        OFFERED.map(([name, sign]) => (
          <button key={name} type="button" aria-label={w("react-with", { sign })} onClick={() => react(name)}>
            {sign}
          </button>
        ))
      ) : (
        <button type="button" aria-label={w("react")} title={w("react")} onClick={() => setShown(true)}>
          ☺︎
        </button>
      )}
      {open && !shown && (
        <button
          type="button"
          aria-label={w("reply-in-thread")}
          title={w("reply-in-thread")}
          onClick={() => open(message.thread || message.ts)}
        >
          💬
        </button>
      )}
    </div>
  );
}
