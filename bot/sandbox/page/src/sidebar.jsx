import { Avatar } from "./avatar.jsx";
import { useNow, useStage } from "./context.js";
import { maybe, w } from "./words.js";

/** Channels, the app, and as whom one acts. */
export function Sidebar({ place, go, become, close }) {
  const { you } = useStage();
  const { screen } = useNow();
  const channels = screen.rooms.filter((room) => room.kind !== "app");
  const direct = screen.rooms.find((room) => room.kind === "app");
  return (
    <nav className="sidebar" aria-label={w("workspace")}>
      <header>
        <strong>{w("workspace-name")}</strong>
        <small>{w(screen.http ? "by-http" : "by-socket")}</small>
        <button type="button" className="plain only-narrow" aria-label={w("close")} onClick={close}>
          ✕
        </button>
      </header>
      <h2>{w("channels")}</h2>
      <ul>
        {channels.map((room) => (
          <Entry key={room.id} here={place === room.id} unread={room.unread} go={() => go(room.id)}>
            <span className="sign">{room.kind === "private" ? "🔒" : "#"}</span>
            {room.name}
          </Entry>
        ))}
      </ul>
      <h2>{w("apps")}</h2>
      <ul>
        <Entry here={place === "home"} go={() => go("home")}>
          <Avatar person={{ bot: true }} size="tiny" />
          {w("app-home")}
        </Entry>
        {direct && (
          <Entry here={place === direct.id} unread={direct.unread} go={() => go(direct.id)}>
            <span className="sign">✉</span>
            {w("app-messages")}
          </Entry>
        )}
      </ul>
      <h2 id="act-as">{w("act-as")}</h2>
      <ul className="people" aria-labelledby="act-as">
        {screen.people
          .filter((person) => person.playable)
          .map((person) => (
            <li key={person.id}>
              <button
                type="button"
                className="entry"
                aria-pressed={person.id === you}
                data-person={person.name}
                onClick={() => become(person.id)}
              >
                <Avatar person={person} size="small" />
                <span className="who">
                  <b>{person.full}</b>
                  <small>{maybe(`who.${person.name}`)}</small>
                </span>
              </button>
            </li>
          ))}
      </ul>
    </nav>
  );
}

function Entry({ here, unread = 0, go, children }) {
  return (
    <li>
      <button
        type="button"
        className={`entry${unread && !here ? " unread" : ""}`}
        aria-current={here ? "page" : undefined}
        onClick={go}
      >
        {children}
        {unread > 0 && !here && (
          <span className="count" aria-label={w("unread", { n: unread })}>
            {unread}
          </span>
        )}
      </button>
    </li>
  );
}
