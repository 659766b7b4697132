import { useEffect } from "react";
import { Blocks } from "./blocks.jsx";
import { useNow, useStage } from "./context.js";
import { w } from "./words.js";

/** The Home tab of the app, as it draws it for this person. */
export function Home({ header }) {
  const { you, act } = useStage();
  const { screen } = useNow();
  useEffect(() => {
    act({ do: "home" });
  }, [you]);
  return (
    <main className="room">
      {header}
      <div className="flow home" tabIndex={0}>
        {screen.home ? (
          <Blocks
            blocks={screen.home.blocks}
            press={(element, _block, value) =>
              act({ do: "click-view", view: screen.home.id, action: element.action_id, value })
            }
          />
        ) : (
          <p className="empty">{w("home-comes")}</p>
        )}
      </div>
    </main>
  );
}
