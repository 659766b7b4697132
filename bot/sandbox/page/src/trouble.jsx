import { useNow, useStage } from "./context.js";
import { w } from "./words.js";

const KINDS = [
  ["storm", "limited"],
  ["twice", "doubled"],
  ["deaf", "unheard"],
  ["lost", "unanswered"],
  ["refresh", null],
  ["kill", null],
];

/** The hostile drawer: what goes wrong at Slack's end or here, and how the deliveries fare. */
export function Trouble() {
  const { act } = useStage();
  const { screen } = useNow();
  const { down, left, worker, deliveries } = screen.trouble;
  const make = (kind) => act({ do: "trouble", kind });
  const any = down || Object.values(left).some(Boolean);
  return (
    <>
      <p className="lead">{w("trouble-lead")}</p>
      <ul className="faults">
        <li>
          <button type="button" className={`button ${down ? "filled danger" : ""}`} aria-pressed={down} onClick={() => make(down ? "up" : "down")}>
            {w(down ? "trouble.up" : "trouble.down")}
          </button>
          <small>{w("trouble.down.how")}</small>
        </li>
        {KINDS.filter(([kind]) => kind !== "refresh" || !screen.http).map(([kind, count]) => (
          <li key={kind}>
            <button type="button" className="button" onClick={() => make(kind)}>
              {w(`trouble.${kind}`)}
            </button>
            {count && left[count] > 0 && <span className="count">{w("trouble-left", { n: left[count] })}</span>}
            {kind === "kill" && <span className={`lamp-line ${worker ? "up" : "silent"}`}>{w(worker ? "worker-up" : "worker-gone")}</span>}
            <small>{w(`trouble.${kind}.how`)}</small>
          </li>
        ))}
      </ul>
      <button type="button" className="button filled primary" disabled={!any} onClick={() => make("calm")}>
        {w("trouble.calm")}
      </button>
      <h3>{w("deliveries")}</h3>
      <ol className="deliveries">
        {deliveries.map((one, number) => (
          <li key={`${one.id}-${number}`} className={one.state}>
            <code>{one.name}</code>
            <span>
              {w(`delivery.${one.state}`)}
              {one.attempt > 0 && ` · ${w("delivery-again", { n: one.attempt })}`}
            </span>
          </li>
        ))}
      </ol>
    </>
  );
}
