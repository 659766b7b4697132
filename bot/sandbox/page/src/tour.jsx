import { Avatar } from "./avatar.jsx";
import { useNow, useStage } from "./context.js";
import { w } from "./words.js";

/** The guided tour. What is done is derived from the channel and the CRM, not from clicks here. */
export function Tour({ tools }) {
  const { act } = useStage();
  const { screen } = useNow();
  const next = screen.tour.find((step) => !step.done);
  return (
    <>
      <p className="lead">{w("tour-lead")}</p>
      <ol className="steps">
        {screen.tour.map((step) => (
          <li
            key={step.name}
            className={step.done ? "done" : step === next ? "now" : "later"}
            aria-current={step === next ? "step" : undefined}
          >
            <b>{w(`tour.${step.name}`)}</b>
            {step === next && (
              <>
                <p>{w(`tour.${step.name}.how`)}</p>
                <Hands step={step} tools={tools} />
              </>
            )}
          </li>
        ))}
      </ol>
      {!next && <p className="lead">{w("tour-done")}</p>}
      <button type="button" className="link" onClick={() => act({ do: "tour-again" })}>
        {w("tour-again")}
      </button>
    </>
  );
}

/** The next step on one line, where there is no room for the panel. */
export function Next({ tools }) {
  const { screen } = useNow();
  const next = screen.tour.find((step) => !step.done);
  if (!next) return null;
  return (
    <div className="next">
      <button type="button" className="link" onClick={() => tools.setPanel("tour")}>
        🧭 {w(`tour.${next.name}`)}
      </button>
      <Hands step={next} tools={tools} />
    </div>
  );
}

function Hands({ step, tools }) {
  const { you, person } = useStage();
  if (!step.who) return step.thread ? <Open step={step} tools={tools} /> : null;
  return (
    <div className="hands">
      {step.who !== you ? (
        <button type="button" className="button filled primary" onClick={() => tools.become(step.who)}>
          <Avatar person={person(step.who)} size="tiny" /> {w("become", { who: person(step.who).full.split(" ")[0] })}
        </button>
      ) : step.type ? (
        <button type="button" className="button filled primary" onClick={() => tools.write(step.type)}>
          {w("write-for-me")}
        </button>
      ) : (
        step.thread && <Open step={step} tools={tools} />
      )}
    </div>
  );
}

function Open({ step, tools }) {
  if (tools.thread === step.thread) return null;
  return (
    <button type="button" className="button filled primary" onClick={() => tools.open(step.thread)}>
      {w("open-thread")}
    </button>
  );
}
