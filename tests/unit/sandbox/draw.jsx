// Draws blocks that come as JSON on standard input the way the page does; writes the HTML of each, as JSON.
import { readFileSync } from "node:fs";
import { renderToStaticMarkup } from "react-dom/server";
import { Blocks } from "./blocks.jsx";
import { Stage } from "./context.js";
import { Form } from "./form.jsx";

const stage = {
  names: { users: [{ id: "U0BOB", name: "bob" }], channels: [], user_groups: [] },
  theme: "light",
};

function draw(one) {
  const inside = one.type === "modal" ? <Form view={{ id: "V1", body: one }} /> : <Blocks blocks={[one]} press={() => {}} />;
  return renderToStaticMarkup(<Stage.Provider value={stage}>{inside}</Stage.Provider>);
}

console.log(JSON.stringify(JSON.parse(readFileSync(0, "utf8")).map(draw)));
