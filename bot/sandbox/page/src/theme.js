import { useEffect, useState } from "react";

const DARK = "(prefers-color-scheme: dark)";

/** "light" or "dark", as the system has it now. */
export function useTheme() {
  const [dark, setDark] = useState(() => window.matchMedia(DARK).matches);
  useEffect(() => {
    const query = window.matchMedia(DARK);
    const hear = () => setDark(query.matches);
    query.addEventListener("change", hear);
    return () => query.removeEventListener("change", hear);
  }, []);
  return dark ? "dark" : "light";
}
