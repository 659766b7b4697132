import { useCallback, useEffect, useMemo, useState } from "react";
import { Confirm } from "./confirm.jsx";
import { act as send, useScreen } from "./connection.js";
import { Now, Stage } from "./context.js";
import { Form } from "./form.jsx";
import { Header } from "./header.jsx";
import { Home } from "./home.jsx";
import { Panel } from "./panel.jsx";
import { Room } from "./room.jsx";
import { useShared } from "./shared.js";
import { Sidebar } from "./sidebar.jsx";
import { Thread } from "./thread.jsx";
import { useTheme } from "./theme.js";
import { Toasts, useToasts } from "./toasts.jsx";
import { w } from "./words.js";

const FIRST = "U0ALICE";
/** Where a panel lies over the conversation instead of beside it. */
const COVERING = window.matchMedia("(max-width: 1023px)");

/** The whole page. */
export function App() {
  const [you, setYou] = useState(() => sessionStorage.getItem("you") ?? FIRST);
  const [place, setPlace] = useState(null);
  const [thread, setThread] = useState(null);
  const [menu, setMenu] = useState(false);
  const [panel, setPanel] = useState(COVERING.matches ? null : "tour");
  const [draft, setDraft] = useState("");
  const [question, setQuestion] = useState(null);
  const { screen, online } = useScreen(you);
  const theme = useTheme();
  const toasts = useToasts(screen?.you === you ? screen : null);

  useEffect(() => sessionStorage.setItem("you", you), [you]);
  const act = useCallback(
    async (what) => {
      const answer = await send({ as: you, ...what });
      if (answer.problem !== undefined) toasts.show(answer.problem ?? w("offline"));
      return answer;
    },
    [you, toasts.show],
  );
  const ask = useCallback((confirm) => new Promise((done) => setQuestion({ confirm, done })), []);
  const people = screen?.people;
  const known = useShared(names(screen));
  const stage = useMemo(() => {
    const byId = Object.fromEntries((people ?? []).map((person) => [person.id, person]));
    return { you, act, ask, theme, person: (id) => byId[id], names: known };
  }, [people, known, you, act, ask, theme]);
  const now = useMemo(() => ({ screen, draft, setDraft }), [screen, draft]);
  const open = useCallback((ts) => {
    setThread(ts);
    setMenu(false);
  }, []);

  if (!screen) return <p className="loading">{online ? "…" : w("offline")}</p>;
  const room = screen.rooms.find((one) => one.id === place) ?? screen.rooms[0];
  const top = screen.you === you ? screen.views.at(-1) : null;
  const go = (where) => {
    setPlace(where);
    setThread(null);
    setMenu(false);
  };
  const become = (who) => {
    setYou(who);
    setMenu(false);
  };
  const uncover = () => COVERING.matches && setPanel(null);
  const tools = {
    become,
    thread,
    write: (text) => {
      uncover();
      go(screen.rooms[0].id);
      setDraft(text);
    },
    open: (ts) => {
      uncover();
      setPlace(screen.rooms[0].id);
      open(ts);
    },
    // The thread lies where the panel does, but for narrow windows, where the panel lies above.
    panel: thread && !COVERING.matches ? null : panel,
    setPanel: (which) => {
      setPanel(which);
      if (which && !COVERING.matches) setThread(null);
    },
  };
  const header = (
    <Header
      place={place === "home" ? null : room}
      menu={() => setMenu(true)}
      tools={tools}
      online={online}
      covered={Boolean(thread)}
    />
  );

  return (
    <Stage.Provider value={stage}>
      <Now.Provider value={now}>
        <div className={`page${menu ? " menu-open" : ""}${thread ? " with-thread" : ""}${panel ? " with-panel" : ""}`}>
          <button
            type="button"
            className="button filled primary skip"
            onClick={() => document.querySelector(".room textarea, .home")?.focus()}
          >
            {w("skip")}
          </button>
          <Sidebar place={place === "home" ? "home" : room.id} go={go} become={become} close={() => setMenu(false)} />
          {menu && <div className="shade" onClick={() => setMenu(false)} />}
          {place === "home" ? <Home header={header} /> : <Room room={room} open={open} header={header} />}
          {thread && (
            <Thread room={room.id} ts={thread} close={() => setThread(null)} tools={tools} menu={() => setMenu(true)} />
          )}
          {panel && <Panel which={panel} tools={tools} />}
        </div>
        {top && <Form key={`${top.id}-${top.body.callback_id}`} view={top} />}
        {question && (
          <Confirm
            question={question.confirm}
            answer={(yes) => {
              setQuestion(null);
              question.done(yes);
            }}
          />
        )}
        <Toasts toasts={toasts} />
      </Now.Provider>
    </Stage.Provider>
  );
}

/** Names in the shape that the renderer wants. */
function names(screen) {
  return {
    users: (screen?.people ?? []).map(({ id, name }) => ({ id, name })),
    channels: (screen?.rooms ?? []).filter((room) => room.name).map(({ id, name }) => ({ id, name })),
    user_groups: (screen?.groups ?? []).map(({ id, handle }) => ({ id, name: handle, handle })),
  };
}
