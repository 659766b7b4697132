import { createContext, useContext } from "react";

/** What changes rarely: `{you, act(what), ask(confirm), theme, person(id), names}`. */
export const Stage = createContext(null);

/** What changes all the time: the snapshot, and what the tour has written for the message field. */
export const Now = createContext(null);

export const useStage = () => useContext(Stage);

export const useNow = () => useContext(Now);
