"""A message, a form or a Home tab as a person would read it, for a terminal."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.panel import Panel
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

from bot.sandbox.mrkdwn import emoji, mention, mrkdwn, plain, rich_text
from bot.sandbox.slack.core import View
from bot.sandbox.slack.workspace import Json, Message, Workspace
from bot.texts import say

THREAD_INDENT = 4
EMOJI_NAME = re.compile(r":([a-z0-9_+'-]+):")
BUTTONS = {"primary": "bold green", "danger": "bold red"}
TASKS = {
    "pending": ("○", "dim"),
    "in_progress": ("◐", "yellow"),
    "complete": ("✔", "green"),
    "error": ("✘", "red"),
}
ALERTS = {"error": "red", "warning": "yellow", "success": "green", "info": "blue"}


class Renderer:
    """Turns Block Kit into rich renderables.

    Args:
        workspace: resolves mentions to names.
        language: of the few words that the screen itself adds.
    """

    def __init__(self, workspace: Workspace, language: str = "en") -> None:
        self._workspace = workspace
        self._language = language

    def message(self, message: Message) -> RenderableType:
        """One message with author, blocks and reactions; a reply is indented."""
        parts: list[RenderableType] = [self._head(message)]
        blocks = list(self.blocks(message.blocks)) if message.blocks else [self._mrkdwn(message.text)]
        parts += [Padding(block, (0, 0, 0, 2)) for block in blocks]
        parts += [Padding(Text(f"📎 {self._file(file)}"), (0, 0, 0, 2)) for file in message.files]
        if message.reactions:
            parts.append(Padding(self._reactions(message), (0, 0, 0, 2)))
        indent = THREAD_INDENT if message.is_reply else 0
        return Padding(Group(*parts), (0, 0, 1, indent))

    def view(self, view: View) -> RenderableType:
        """A form with its buttons, or a Home tab."""
        parts: list[RenderableType] = list(self.blocks(view.body.get("blocks", [])))
        buttons = [
            Text(f"[ {view.body[key]['text']} ]", style)
            for key, style in (("submit", "bold green"), ("close", ""))
            if key in view.body
        ]
        if buttons:
            parts.append(Text("  ").join(buttons))
        return Panel(Group(*parts), title=Text(view.title), title_align="left")

    def blocks(self, blocks: list[Json]) -> Iterator[RenderableType]:
        """Each block as something to print."""
        for block in blocks:
            paint = getattr(self, f"_{block['type']}", None)
            if paint is None:
                yield Text(say("sandbox.unpainted", self._language, kind=block["type"]), "dim")
            else:
                yield from paint(block)

    def text(self, thing: Message | View, width: int = 100) -> str:
        """The same without colours, for files and tests."""
        console = Console(width=width, color_system=None, highlight=False, legacy_windows=False)
        with console.capture() as capture:
            console.print(self.message(thing) if isinstance(thing, Message) else self.view(thing))
        return "\n".join(line.rstrip() for line in capture.get().splitlines())

    def _head(self, message: Message) -> Text:
        head = Text()
        if message.is_reply:
            head.append("↳ ", "dim")
        user = self._workspace.users.get(message.user)
        head.append(user.real_name if user else message.user, "bold")
        for shown, key in (
            (bool(message.bot_id), "sandbox.app"),
            (bool(message.edited_ts), "sandbox.edited"),
            (message.reply_broadcast, "sandbox.broadcast"),
        ):
            if shown:
                head.append("  " + say(key, self._language), "dim")
        if message.only_for:
            reader = self._workspace.users[message.only_for].name
            head.append("  " + say("sandbox.only_you", self._language, person=reader), "italic dim")
        return head

    def _file(self, file: Mapping[str, Any]) -> str:
        gone = file.get("mode") == "tombstone"
        return say("page.file-deleted", self._language) if gone else str(file.get("title"))

    def _reactions(self, message: Message) -> Text:
        line = Text()
        for name, users in message.reactions.items():
            who = ", ".join(self._workspace.users[user].name for user in users)
            line.append(f"{emoji(name)} {len(users)}", "bold").append(f" ({who})   ", "dim")
        return line

    def _mrkdwn(self, source: str) -> Text:
        return mrkdwn(source, self._workspace)

    def _object(self, node: Mapping[str, Any] | None) -> Text:
        if node is None:
            return Text()
        source = str(node.get("text", ""))
        return self._mrkdwn(source) if node.get("type") == "mrkdwn" else Text(emoji_signs(source))

    def _header(self, block: Json) -> Iterator[RenderableType]:
        yield Text(emoji_signs(block["text"]["text"]), "bold reverse")

    def _section(self, block: Json) -> Iterator[RenderableType]:
        if "text" in block:
            yield self._object(block["text"])
        if block.get("fields"):
            grid = Table.grid(padding=(0, 3), expand=False)
            cells = [self._object(field) for field in block["fields"]]
            for left in range(0, len(cells), 2):
                grid.add_row(*cells[left : left + 2])
            yield grid
        if "accessory" in block:
            yield self._element(block["accessory"])

    def _context(self, block: Json) -> Iterator[RenderableType]:
        parts = [
            Text(f"[{one.get('alt_text', '')}]") if one.get("type") == "image" else self._object(one)
            for one in block["elements"]
        ]
        line = Text("  ").join(parts)
        line.stylize("dim")
        yield line

    def _actions(self, block: Json) -> Iterator[RenderableType]:
        yield Text("  ").join(self._element(element) for element in block["elements"])

    def _divider(self, _block: Json) -> Iterator[RenderableType]:
        yield Rule(style="dim")

    def _image(self, block: Json) -> Iterator[RenderableType]:
        yield Text(f"[{block.get('alt_text', '')}]", "dim")

    def _markdown(self, block: Json) -> Iterator[RenderableType]:
        yield Text(block["text"])

    def _rich_text(self, block: Json) -> Iterator[RenderableType]:
        yield rich_text(block, self._workspace)

    def _input(self, block: Json) -> Iterator[RenderableType]:
        yield Text(block["label"]["text"], "bold")
        yield self._element(block["element"])
        if "hint" in block:
            yield Text(block["hint"]["text"], "dim")

    def _plan(self, block: Json) -> Iterator[RenderableType]:
        yield Text(emoji_signs(block["title"]), "bold")
        for task in block.get("tasks", []):
            yield from self._task_card(task)

    def _task_card(self, task: Json) -> Iterator[RenderableType]:
        sign, style = TASKS[task["status"]]
        yield Text(f"{sign} ", style).append(emoji_signs(task["title"]), style)
        for key in ("details", "output"):
            if task.get(key):
                yield Padding(rich_text(task[key], self._workspace), (0, 0, 0, 4))

    def _alert(self, block: Json) -> Iterator[RenderableType]:
        yield Panel(self._object(block["text"]), border_style=ALERTS.get(block.get("level", ""), "dim"))

    def _container(self, block: Json) -> Iterator[RenderableType]:
        if "title" in block:
            yield Text(block["title"]["text"], "bold")
        for child in self.blocks(block["child_blocks"]):
            yield Padding(child, (0, 0, 0, 2))

    def _table(self, block: Json) -> Iterator[RenderableType]:
        table = Table(show_header=False, box=None, padding=(0, 2))
        for number, row in enumerate(block["rows"]):
            cells = [
                rich_text(cell, self._workspace) if cell["type"] == "rich_text" else Text(str(cell["text"]))
                for cell in row
            ]
            table.add_row(*cells, style="bold" if number == 0 else "")
        yield table

    def _element(self, element: Json) -> Text:
        kind = element["type"]
        if kind == "image":
            return Text(f"[{element.get('alt_text', '')}]", "dim")
        if kind == "button":
            label = emoji_signs(element["text"]["text"])
            return Text(f"[ {label} ]", BUTTONS.get(element.get("style", ""), "bold"))
        return self._field(element)

    def _field(self, element: Json) -> Text:
        held = element.get("initial_value") or ""
        option = element.get("initial_option") or next(iter(element.get("initial_options", [])), None)
        if option:
            held = option["text"]["text"]
        for key in ("initial_user", "initial_channel", "initial_conversation"):
            if element.get(key):
                held = mention(("@" if key == "initial_user" else "#") + element[key], self._workspace)
        if held:
            return Text(f"[ {held} ]")
        hint = (element.get("placeholder") or {}).get("text", "")
        offered = " / ".join(self._object(one["text"]).plain for one in element.get("options", []))
        shown = ": ".join(part for part in (hint, offered) if part)
        return Text(f"[ {shown or '…'} ]", "dim")


def emoji_signs(source: str) -> str:
    """Plain text with its ``:names:`` as signs."""
    return plain(EMOJI_NAME.sub(lambda match: emoji(match.group(1)), source))
