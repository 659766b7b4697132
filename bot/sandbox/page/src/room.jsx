import { useEffect, useLayoutEffect, useMemo, useRef } from "react";
import { Composer } from "./composer.jsx";
import { useNow, useStage } from "./context.js";
import { Message } from "./message.jsx";
import { useShared } from "./shared.js";
import { w } from "./words.js";

const NEAR = 120;

/** A channel or a conversation: what stands in it, and where one writes. */
export function Room({ room, open, header }) {
  const { you, act } = useStage();
  const { screen } = useNow();
  const all = screen.messages[room.id] ?? [];
  const { shown, replies } = useShared(useMemo(() => sorted(all), [all]));
  const newest = all.at(-1)?.ts ?? "";
  useEffect(() => {
    if (room.unread && newest) act({ do: "read", room: room.id, ts: newest });
  }, [room.id, room.unread, newest, you]);
  return (
    <main className="room">
      {header}
      <Flow key={room.id} label={w("messages-of", { room: roomName(room) })}>
        {shown.length === 0 && <li className="empty">{w("empty-room")}</li>}
        {shown.map((message) => (
          <Message key={message.ts} message={message} room={room.id} replies={replies[message.ts]} open={open} />
        ))}
      </Flow>
      <Composer room={room.id} label={w("write-to", { room: roomName(room) })} />
    </main>
  );
}

/** A list that stays at its end while somebody reads there. */
export function Flow({ children, label }) {
  const list = useRef(null);
  const atEnd = useRef(true);
  useLayoutEffect(() => {
    if (atEnd.current) list.current.scrollTop = list.current.scrollHeight;
  });
  return (
    <ol
      className="flow"
      ref={list}
      aria-label={label}
      tabIndex={0}
      onScroll={({ target }) => {
        atEnd.current = target.scrollHeight - target.scrollTop - target.clientHeight < NEAR;
      }}
    >
      {children}
    </ol>
  );
}

export function roomName(room) {
  return room.kind === "app" ? w("app-name") : `#${room.name}`;
}

/** What stands in the room itself, and the replies by the stamp of their thread. */
function sorted(all) {
  const replies = {};
  for (const one of all) {
    if (one.thread && !one.private) (replies[one.thread] ??= []).push(one);
  }
  return { shown: all.filter((one) => !one.thread || one.broadcast), replies };
}
