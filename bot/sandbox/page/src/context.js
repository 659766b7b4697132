import { createContext, useContext } from "react";

/** What every part of the page needs: `{screen, you, person(id), act(what), ask(confirm), theme}`. */
export const Stage = createContext(null);

export const useStage = () => useContext(Stage);
