/** The line to the sandbox: a snapshot for one person, a stream that says when to look again, and acts. */
import { useCallback, useEffect, useRef, useState } from "react";
import { share } from "./shared.js";

/** The screen of a person, kept fresh: `{screen, online, look}`. */
export function useScreen(you) {
  const [screen, setScreen] = useState(null);
  const [online, setOnline] = useState(true);
  const wanted = useRef({ busy: false, again: false, you });

  const look = useCallback(async () => {
    const state = wanted.current;
    if (state.busy) {
      state.again = true;
      return;
    }
    state.busy = true;
    do {
      state.again = false;
      try {
        const asked = state.you;
        const answer = await fetch(`/screen?as=${asked}`);
        const found = answer.ok ? await answer.json() : null;
        if (found && asked === state.you) setScreen((before) => share(before, found));
        setOnline(answer.ok);
      } catch {
        setOnline(false);
      }
    } while (state.again);
    state.busy = false;
  }, []);

  useEffect(() => {
    wanted.current.you = you;
    look();
  }, [you, look]);

  useEffect(() => {
    const stream = new EventSource("/changes");
    stream.onmessage = look;
    stream.onerror = () => setOnline(false);
    return () => stream.close();
  }, [look]);

  return { screen, online, look };
}

/** Do something as somebody; the answer is `{ok}`, `{problem}` or `{errors}`. */
export async function act(what) {
  try {
    const answer = await fetch(`/act?language=${encodeURIComponent(navigator.language)}`, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify(what),
    });
    return await answer.json();
  } catch {
    return { ok: false, problem: null };
  }
}
