import { Message as Drawn } from "slack-blocks-to-jsx";
import { useStage } from "./context.js";
import { Element } from "./elements.jsx";
import { guardedTree } from "./text.js";
import { Undrawn } from "./undrawn.jsx";

/** What the renderer draws as it stands; buttons and fields are ours, since its own cannot be pressed. */
const DISPLAYED = new Set(["header", "section", "context", "divider", "rich_text", "image"]);

/** Blocks of a message, a form or the Home tab. `press(element, block, value)` is called for what is clicked. */
export function Blocks({ blocks, press }) {
  return blocks.map((block, number) => <Block key={block.block_id ?? number} block={block} press={press} />);
}

function Block({ block, press }) {
  if (block.type === "actions") {
    return (
      <div className="actions">
        {block.elements.map((element, number) => (
          <Element key={number} element={element} press={(value) => press(element, block, value)} />
        ))}
      </div>
    );
  }
  if (!DISPLAYED.has(block.type)) return <Undrawn kind={block.type} />;
  const { accessory, ...bare } = block;
  return (
    <div className={accessory ? "with-accessory" : undefined}>
      <Display block={accessory?.type === "image" ? block : bare} />
      {accessory && accessory.type !== "image" && (
        <Element element={accessory} press={(value) => press(accessory, block, value)} />
      )}
    </div>
  );
}

function Display({ block }) {
  const { names, theme } = useStage();
  // The title of a message comes right below the name of the room.
  const shown = block.type === "header" ? { ...block, level: 2 } : block;
  return <Drawn blocks={[guardedTree(shown)]} withoutWrapper theme={theme} data={names} hooks={HOOKS} />;
}

/** Text in Slack's mrkdwn, drawn as a message without blocks is. */
export function Mrkdwn({ text }) {
  return <Display block={{ type: "section", text: { type: "mrkdwn", text } }} />;
}

const HOOKS = {
  // Another site must not see where a link was clicked, and scripts are no addresses.
  link: ({ href, children, className }) =>
    /^(https?|mailto):/.test(href) ? (
      <a href={href} className={className} target="_blank" rel="noopener noreferrer">
        {children}
      </a>
    ) : (
      <span>{children}</span>
    ),
  user: ({ id, name }) => <span className="mention">@{name || id}</span>,
  channel: ({ id, name }) => <span className="mention">#{name || id}</span>,
  usergroup: ({ id, name }) => <span className="mention">@{name || id}</span>,
  date: ({ timestamp, format, fallback }) => <Moment timestamp={timestamp} format={format} fallback={fallback} />,
};

function Moment({ timestamp, fallback }) {
  const date = new Date(Number(timestamp) * 1000);
  if (Number.isNaN(date.valueOf())) return <span>{fallback}</span>;
  return (
    <time dateTime={date.toISOString()}>
      {date.toLocaleString([], { day: "numeric", month: "short", hour: "2-digit", minute: "2-digit" })}
    </time>
  );
}
