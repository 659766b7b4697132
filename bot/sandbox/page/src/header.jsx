import { Avatar } from "./avatar.jsx";
import { useNow, useStage } from "./context.js";
import { roomName } from "./room.jsx";
import { Next } from "./tour.jsx";
import { w } from "./words.js";

/** The line over a room: where one is, who one is, how the CRM does, the tour and the trouble. */
export function Header({ place, menu, tools, online, covered }) {
  const { screen } = useNow();
  const waiting = screen.rooms.reduce((sum, room) => sum + (room.id === place?.id ? 0 : room.unread), 0);
  return (
    <>
      <header className="bar">
        <button type="button" className="plain only-narrow" aria-label={w("menu")} onClick={menu}>
          ☰{waiting > 0 && <span className="dot" />}
        </button>
        <h1>{place ? roomName(place) : w("app-home")}</h1>
        <Crm />
        <span className="spacer" />
        {!online && <span className="offline">{w("offline")}</span>}
        {["tour", "trouble"].map((one) => (
          <button
            key={one}
            type="button"
            className={`tab ${one}`}
            aria-pressed={tools.panel === one}
            onClick={() => tools.setPanel(tools.panel === one ? null : one)}
          >
            <span aria-hidden="true">{one === "tour" ? "🧭" : "⚡"}</span> <span>{w(one)}</span>
          </button>
        ))}
        <Me menu={menu} />
      </header>
      {(!tools.panel || covered) && <Next tools={tools} />}
    </>
  );
}

/** Who one is, where the list of people is not in sight. */
export function Me({ menu }) {
  const { you, person } = useStage();
  return (
    <button type="button" className="plain only-narrow" aria-label={w("you-are", { who: person(you)?.full })} onClick={menu}>
      <Avatar person={person(you)} size="small" />
    </button>
  );
}

/** The sample CRM as it is from outside: its page and its rows. */
export function Crm() {
  const { crm } = useNow().screen;
  return (
    <a className={`crm ${crm.up ? "up" : "silent"}`} href={crm.address} target="_blank" rel="noopener noreferrer">
      <span className="lamp" aria-hidden="true" />
      {w(crm.up ? "crm-up" : "crm-silent", { n: crm.customers ?? "–" })}
    </a>
  );
}
