import { useEffect, useMemo, useState } from "react";
import { Blocks, Mrkdwn } from "./blocks.jsx";
import { Stage } from "./context.js";
import { Fields } from "./form.jsx";
import { plain } from "./text.js";
import { useTheme } from "./theme.js";
import { w } from "./words.js";

/** Everything the bot can show, for looking at: `/gallery`, `/gallery?language=zh-CN`. */
export function Gallery() {
  const [found, setFound] = useState(null);
  const theme = useTheme();
  const language = new URLSearchParams(location.search).get("language") ?? document.documentElement.lang;
  useEffect(() => {
    fetch(`/exhibits?language=${encodeURIComponent(language)}`)
      .then((answer) => answer.json())
      .then(setFound);
  }, [language]);
  const stage = useMemo(() => {
    const known = Object.fromEntries((found?.people ?? []).map((person) => [person.id, person]));
    const names = { users: found?.people ?? [], channels: found?.channels ?? [], user_groups: [] };
    return { theme, names, person: (id) => known[id], ask: async () => false, act: async () => ({}) };
  }, [found, theme]);
  if (!found) return <p className="loading">…</p>;

  const rooms = [...new Set(found.exhibits.map((one) => one.room))];
  return (
    <Stage.Provider value={stage}>
      <main className="gallery">
        <h1>{w("gallery")}</h1>
        <nav aria-label={w("gallery")}>
          {rooms.map((room) => (
            <a key={room} href={`#${slug(room)}`}>
              {room}
            </a>
          ))}
          {found.languages.map((one) => (
            <a key={one} href={`/gallery?language=${one}`} aria-current={one === found.language ? "page" : undefined}>
              {one}
            </a>
          ))}
        </nav>
        {rooms.map((room) => (
          <section key={room} id={slug(room)}>
            <h2>{room}</h2>
            {found.exhibits
              .filter((one) => one.room === room)
              .map((one) => (
                <Exhibit key={one.title} exhibit={one} />
              ))}
          </section>
        ))}
      </main>
    </Stage.Provider>
  );
}

const slug = (room) => room.replaceAll(/[^a-z]+/g, "-");

function Exhibit({ exhibit }) {
  const { title, blocks, text, view } = exhibit;
  return (
    <figure className="exhibit">
      <figcaption>{title}</figcaption>
      <div className="blocks">
        {view?.title && <h3>{plain(view.title.text)}</h3>}
        {view ? <Fields blocks={view.blocks} /> : blocks.length ? <Blocks blocks={blocks} press={() => {}} /> : <Mrkdwn text={text} />}
        {view?.submit && (
          <p className="actions">
            {view.close && <span className="button">{plain(view.close.text)}</span>}
            <span className="button filled primary">{plain(view.submit.text)}</span>
          </p>
        )}
      </div>
    </figure>
  );
}
