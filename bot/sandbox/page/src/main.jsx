import { createRoot } from "react-dom/client";
import "slack-blocks-to-jsx/dist/style.css";
import "./styles/base.css";
import "./styles/layout.css";
import "./styles/message.css";
import "./styles/form.css";
import "./styles/panels.css";
import "./styles/gallery.css";
import { App } from "./app.jsx";
import { Gallery } from "./gallery.jsx";
import { learn } from "./words.js";

const Page = location.pathname === "/gallery" ? Gallery : App;

learn().then(() => createRoot(document.getElementById("page")).render(<Page />));
