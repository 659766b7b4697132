import { useCallback, useEffect, useRef, useState } from "react";
import { maybe, w } from "./words.js";

const STAYS = 7000;

/** Short notes at the bottom: refusals of the sandbox, and what Slack itself says. */
export function useToasts(screen) {
  const [shown, setShown] = useState([]);
  const seen = useRef({});
  const number = useRef(0);
  const drop = useCallback((id) => setShown((now) => now.filter((one) => one.id !== id)), []);
  const show = useCallback(
    (text) => {
      const id = ++number.current;
      setShown((now) => [...now.slice(-2), { id, text }]);
      setTimeout(() => drop(id), STAYS);
    },
    [drop],
  );
  useEffect(() => {
    if (!screen) return;
    const newest = screen.notices.at(-1)?.number ?? -1;
    const before = seen.current[screen.you] ?? newest;
    seen.current[screen.you] = newest;
    for (const { code, about } of screen.notices.filter((one) => one.number > before)) {
      show(maybe(`notice.${code}`, { about }) ?? w("notice", { code, about }));
    }
  }, [screen, show]);
  return { shown, show, drop };
}

export function Toasts({ toasts }) {
  return (
    <div className="toasts" role="status">
      {toasts.shown.map(({ id, text }) => (
        <p key={id} className="toast">
          {text}
          <button type="button" className="plain" aria-label={w("close")} onClick={() => toasts.drop(id)}>
            ✕
          </button>
        </p>
      ))}
    </div>
  );
}
