import { Composer } from "./composer.jsx";
import { useNow } from "./context.js";
import { Me } from "./header.jsx";
import { Message } from "./message.jsx";
import { Flow } from "./room.jsx";
import { Next } from "./tour.jsx";
import { w } from "./words.js";

/** A message and its replies, beside the channel or over it. */
export function Thread({ room, ts, close, tools, menu }) {
  const { screen } = useNow();
  const all = screen.messages[room] ?? [];
  const shown = all.filter((one) => one.ts === ts || one.thread === ts);
  return (
    <section className="side thread" aria-label={w("thread")}>
      <header className="bar">
        <h2>{w("thread")}</h2>
        <Me menu={menu} />
        <button type="button" className="plain" aria-label={w("close")} onClick={close}>
          ✕
        </button>
      </header>
      <Next tools={tools} />
      <Flow key={ts} label={w("thread")}>
        {shown.map((message) => (
          <Message key={message.ts} message={message} room={room} />
        ))}
      </Flow>
      <Composer room={room} thread={ts} label={w("reply-here")} />
    </section>
  );
}
