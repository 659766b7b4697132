"""Block and text limits of Slack, checked all the way down. Pure.

:func:`check_message` and :func:`check_view` raise :class:`ApiError` with Slack's code and, beside it, one
``[ERROR] … [json-pointer:…]`` line per problem, as Slack does. Sizes are characters unless said otherwise.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from bot.sandbox.slack.workspace import ApiError, Json

MESSAGE_BLOCKS = 50
VIEW_BLOCKS = 100
BLOCK_TEXT_TOTAL = 13_200
POST_TEXT = 40_000
UPDATE_TEXT = 4_000
METADATA_BYTES = 16_000
VIEW_BYTES = 250_000
ID = 255
PLAIN = ("plain_text",)
ANY = ("plain_text", "mrkdwn")
STYLES = (None, "primary", "danger")
TASK_STATES = ("pending", "in_progress", "complete", "error")
ALERT_LEVELS = (None, "default", "info", "warning", "error", "success")
RICH_PARTS = ("rich_text_section", "rich_text_list", "rich_text_preformatted", "rich_text_quote")
SELECTS = tuple(
    f"{many}{kind}_select"
    for many in ("", "multi_")
    for kind in ("static", "external", "users", "conversations", "channels")
)
PICKERS = ("datepicker", "timepicker", "datetimepicker")
INPUTS = (
    "plain_text_input",
    "number_input",
    "email_text_input",
    "url_text_input",
    "checkboxes",
    "radio_buttons",
    "file_input",
    *SELECTS,
    *PICKERS,
)
ACTIONS = ("button", "overflow", "checkboxes", "radio_buttons", *SELECTS, *PICKERS)
ACCESSORIES = ("image", *ACTIONS)


class Report:
    """Collects problems and the running total of block text while a tree of blocks is walked."""

    def __init__(self) -> None:
        self.problems: list[str] = []
        self.total = 0
        self.markdown = 0
        self.block_ids: set[str] = set()

    def bad(self, path: str, what: str) -> None:
        """Note a problem at a JSON pointer."""
        self.problems.append(f"[ERROR] {what} [json-pointer:{path}]")

    def text(self, node: Any, path: str, most: int, kinds: Sequence[str] = ANY) -> None:
        """A text object of one of ``kinds`` with 1 to ``most`` characters."""
        if not isinstance(node, Mapping) or node.get("type") not in kinds:
            self.bad(path, f"must be a text object of type {' or '.join(kinds)}")
            return
        self.string(node.get("text"), f"{path}/text", most)

    def string(self, value: Any, path: str, most: int) -> None:
        """A string of 1 to ``most`` characters that counts as block text."""
        if not isinstance(value, str) or not value:
            self.bad(path, "must be a text with at least 1 character")
            return
        self.total += len(value)
        if len(value) > most:
            self.bad(path, f"must be less than {most + 1} characters")

    def size(self, value: Any, path: str, most: int) -> None:
        """An optional technical string, at most ``most`` characters."""
        if value is not None and (not isinstance(value, str) or len(value) > most):
            self.bad(path, f"must be a string of less than {most + 1} characters")

    def items(self, value: Any, path: str, most: int, least: int = 1) -> list[Any]:
        """A list of ``least`` to ``most`` items; an empty list when it is no list."""
        if not isinstance(value, list):
            self.bad(path, "must be an array")
            return []
        if not least <= len(value) <= most:
            self.bad(path, f"must have {least} to {most} items")
        return value

    def one_of(self, value: Any, path: str, allowed: Sequence[Any]) -> None:
        """One of a few words."""
        if value not in allowed:
            self.bad(path, f"must be one of {', '.join(str(word) for word in allowed if word)}")


def check_message(blocks: Sequence[Any] | None, text: str, *, text_most: int = POST_TEXT) -> None:
    """Raise what Slack would answer to a message with these blocks and this text."""
    if len(text) > text_most:
        raise ApiError("msg_too_long")
    if blocks is None:
        return
    report = _walk(blocks, MESSAGE_BLOCKS)
    if report.problems:
        raise ApiError("invalid_blocks", response_metadata={"messages": report.problems})
    if report.total > BLOCK_TEXT_TOTAL:
        raise ApiError("msg_blocks_too_long")


def check_metadata(metadata: Any) -> None:
    """Raise what Slack would answer to this message metadata."""
    if not isinstance(metadata, Mapping) or set(metadata) - {"event_type", "event_payload", "entities"}:
        raise ApiError("invalid_metadata_format")
    if not isinstance(metadata.get("event_type"), str) or not isinstance(
        metadata.get("event_payload"), Mapping
    ):
        raise ApiError("invalid_metadata_schema")
    if len(json.dumps(metadata)) > METADATA_BYTES:
        raise ApiError("metadata_too_large")


def check_view(view: Any) -> None:
    """Raise what Slack would answer to this modal or Home tab."""
    if not isinstance(view, Mapping) or view.get("type") not in ("modal", "home"):
        raise ApiError("invalid_arguments", response_metadata={"messages": ["[ERROR] not a view"]})
    if len(json.dumps(view)) > VIEW_BYTES:
        raise ApiError("view_too_large")
    report = _walk(view.get("blocks", []), VIEW_BLOCKS)
    if view["type"] == "modal":
        report.text(view.get("title"), "/view/title", 24, PLAIN)
        _optional_text(report, view, "submit", "/view", 24)
        _optional_text(report, view, "close", "/view", 24)
        if "submit" not in view and any(block.get("type") == "input" for block in view.get("blocks", [])):
            report.bad("/view/submit", "a view with inputs needs a submit button")
    report.size(view.get("callback_id"), "/view/callback_id", ID)
    report.size(view.get("private_metadata"), "/view/private_metadata", 3000)
    if report.problems:
        raise ApiError("invalid_arguments", response_metadata={"messages": report.problems})


def block_text(blocks: Sequence[Any]) -> int:
    """How many characters of text the blocks show."""
    return _walk(blocks, MESSAGE_BLOCKS).total


def _walk(blocks: Any, most: int) -> Report:
    report = Report()
    items = report.items(blocks, "/blocks", most, least=0)
    for number, block in enumerate(items):
        _block(report, block, f"/blocks/{number}")
    kinds = {block.get("type") for block in items if isinstance(block, Mapping)}
    if {"plan", "task_card"} <= kinds:
        report.bad("/blocks", "plan and task_card cannot stand in one message")
    if report.markdown > 12_000:
        report.bad("/blocks", "markdown blocks hold more than 12000 characters together")
    return report


def _block(report: Report, block: Any, path: str) -> None:
    if not isinstance(block, Mapping) or block.get("type") not in BLOCKS:
        kind = block.get("type") if isinstance(block, Mapping) else block
        report.bad(path, f"unsupported type: {kind}")
        return
    check, allowed = BLOCKS[block["type"]]
    for surplus in set(block) - allowed - {"type", "block_id"}:
        report.bad(f"{path}/{surplus}", f"additional property: {surplus}")
    report.size(block.get("block_id"), f"{path}/block_id", ID)
    block_id = block.get("block_id")
    if block_id and block_id in report.block_ids:
        report.bad(f"{path}/block_id", f"block_id {block_id} already exists")
    if block_id:
        report.block_ids.add(block_id)
    check(report, block, path)
    _unique_actions(report, block, path)


def _unique_actions(report: Report, block: Json, path: str) -> None:
    if block["type"] not in ("actions", "section", "input"):
        return
    seen: set[str] = set()
    for element in (*block.get("elements", ()), block.get("accessory"), block.get("element")):
        action = element.get("action_id") if isinstance(element, Mapping) else None
        if action and action in seen:
            report.bad(path, f"action_id {action} already exists in this block")
        if action:
            seen.add(action)


def _optional_text(report: Report, node: Json, key: str, path: str, most: int) -> None:
    if key in node:
        report.text(node[key], f"{path}/{key}", most, PLAIN)


def _section(report: Report, block: Json, path: str) -> None:
    if "text" not in block and not block.get("fields"):
        report.bad(path, "a section needs text or fields")
    if "text" in block:
        report.text(block["text"], f"{path}/text", 3000)
    if "fields" in block:
        for number, field in enumerate(report.items(block["fields"], f"{path}/fields", 10)):
            report.text(field, f"{path}/fields/{number}", 2000)
    if "accessory" in block:
        _element(report, block["accessory"], f"{path}/accessory", ACCESSORIES)


def _actions(report: Report, block: Json, path: str) -> None:
    for number, element in enumerate(report.items(block.get("elements"), f"{path}/elements", 25)):
        _element(report, element, f"{path}/elements/{number}", ACTIONS)


def _context(report: Report, block: Json, path: str) -> None:
    for number, element in enumerate(report.items(block.get("elements"), f"{path}/elements", 10)):
        where = f"{path}/elements/{number}"
        if isinstance(element, Mapping) and element.get("type") == "image":
            _element(report, element, where, ("image",))
        else:
            report.text(element, where, 3000)


def _input(report: Report, block: Json, path: str) -> None:
    report.text(block.get("label"), f"{path}/label", 2000, PLAIN)
    _optional_text(report, block, "hint", path, 2000)
    _element(report, block.get("element"), f"{path}/element", INPUTS)


def _image(report: Report, node: Json, path: str) -> None:
    report.size(node.get("image_url"), f"{path}/image_url", 3000)
    report.string(node.get("alt_text"), f"{path}/alt_text", 2000)
    if not node.get("image_url") and not node.get("slack_file"):
        report.bad(path, "an image needs image_url or slack_file")


def _rich_text(report: Report, node: Any, path: str) -> None:
    if not isinstance(node, Mapping) or node.get("type") != "rich_text":
        report.bad(path, "must be a rich_text object")
        return
    for number, part in enumerate(report.items(node.get("elements"), f"{path}/elements", 100)):
        where = f"{path}/elements/{number}"
        if not isinstance(part, Mapping) or part.get("type") not in RICH_PARTS:
            report.bad(where, "unsupported rich text element")
            continue
        report.total += sum(len(leaf) for leaf in _leaves(part))


def _leaves(node: Any) -> list[str]:
    if isinstance(node, list):
        return [leaf for item in node for leaf in _leaves(item)]
    if not isinstance(node, Mapping):
        return []
    own = [node["text"]] if isinstance(node.get("text"), str) else []
    return own + _leaves(node.get("elements", []))


def _markdown(report: Report, block: Json, path: str) -> None:
    report.string(block.get("text"), f"{path}/text", 12_000)
    report.markdown += len(str(block.get("text", "")))


def _plan(report: Report, block: Json, path: str) -> None:
    report.string(block.get("title"), f"{path}/title", 255)
    for number, task in enumerate(report.items(block.get("tasks", []), f"{path}/tasks", 50, least=0)):
        where = f"{path}/tasks/{number}"
        if not isinstance(task, Mapping) or task.get("type", "task_card") != "task_card":
            report.bad(where, "must be a task_card")
        else:
            _task(report, task, where)


def _task(report: Report, task: Mapping[str, Any], path: str) -> None:
    report.size(task.get("task_id") or "", f"{path}/task_id", ID)
    if not task.get("task_id"):
        report.bad(f"{path}/task_id", "missing required field: task_id")
    report.string(task.get("title"), f"{path}/title", 255)
    report.one_of(task.get("status"), f"{path}/status", TASK_STATES)
    for key in ("details", "output"):
        if task.get(key) is not None:
            _rich_text(report, task[key], f"{path}/{key}")


def _alert(report: Report, block: Json, path: str) -> None:
    report.text(block.get("text"), f"{path}/text", 200)
    report.one_of(block.get("level"), f"{path}/level", ALERT_LEVELS)


def _table(report: Report, block: Json, path: str) -> None:
    for line, row in enumerate(report.items(block.get("rows"), f"{path}/rows", 100)):
        for column, cell in enumerate(report.items(row, f"{path}/rows/{line}", 20)):
            where = f"{path}/rows/{line}/{column}"
            if isinstance(cell, Mapping) and cell.get("type") == "rich_text":
                _rich_text(report, cell, where)
            else:
                report.text(cell, where, 3000, ("raw_text", "raw_number"))


def _container(report: Report, block: Json, path: str) -> None:
    _optional_text(report, block, "title", path, 150)
    for number, child in enumerate(report.items(block.get("child_blocks"), f"{path}/child_blocks", 10)):
        _block(report, child, f"{path}/child_blocks/{number}")


def _header(report: Report, block: Json, path: str) -> None:
    report.text(block.get("text"), f"{path}/text", 150, PLAIN)


def _nothing(_report: Report, _block: Json, _path: str) -> None:
    """A divider has nothing to check."""


def _element(report: Report, element: Any, path: str, kinds: Sequence[str]) -> None:
    if not isinstance(element, Mapping) or element.get("type") not in kinds:
        kind = element.get("type") if isinstance(element, Mapping) else element
        report.bad(path, f"unsupported element type: {kind}")
        return
    report.size(element.get("action_id"), f"{path}/action_id", ID)
    if "confirm" in element:
        _confirm(report, element["confirm"], f"{path}/confirm")
    _optional_text(report, dict(element), "placeholder", path, 150)
    special = ELEMENTS.get(element["type"])
    if special is not None:
        special(report, dict(element), path)


def _button(report: Report, element: Json, path: str) -> None:
    report.text(element.get("text"), f"{path}/text", 75, PLAIN)
    report.size(element.get("value"), f"{path}/value", 2000)
    report.size(element.get("url"), f"{path}/url", 3000)
    report.one_of(element.get("style"), f"{path}/style", STYLES)


def _confirm(report: Report, confirm: Any, path: str) -> None:
    if not isinstance(confirm, Mapping):
        report.bad(path, "must be a confirmation object")
        return
    report.text(confirm.get("title"), f"{path}/title", 100, PLAIN)
    report.text(confirm.get("text"), f"{path}/text", 300)
    for key in ("confirm", "deny"):
        report.text(confirm.get(key), f"{path}/{key}", 30, PLAIN)
    report.one_of(confirm.get("style"), f"{path}/style", STYLES)


def _options(most: int) -> Callable[[Report, Json, str], None]:
    def check(report: Report, element: Json, path: str) -> None:
        if "option_groups" in element:
            return
        for number, option in enumerate(report.items(element.get("options"), f"{path}/options", most)):
            where = f"{path}/options/{number}"
            if not isinstance(option, Mapping):
                report.bad(where, "must be an option object")
                continue
            report.text(option.get("text"), f"{where}/text", 75)
            report.size(option.get("value") or "", f"{where}/value", 150)

    return check


def _text_input(report: Report, element: Json, path: str) -> None:
    longest = element.get("max_length", 3000)
    if not isinstance(longest, int) or not 1 <= longest <= 3000:
        report.bad(f"{path}/max_length", "must be 1 to 3000")
    elif len(str(element.get("initial_value", ""))) > longest:
        report.bad(f"{path}/initial_value", f"must be less than {longest + 1} characters")


Check = Callable[[Report, Json, str], None]

ELEMENTS: dict[str, Check] = {
    "button": _button,
    "image": _image,
    "plain_text_input": _text_input,
    "overflow": _options(5),
    "checkboxes": _options(10),
    "radio_buttons": _options(10),
    "static_select": _options(100),
    "multi_static_select": _options(100),
}

BLOCKS: dict[str, tuple[Check, frozenset[str]]] = {
    "section": (_section, frozenset({"text", "fields", "accessory", "expand"})),
    "divider": (_nothing, frozenset()),
    "header": (_header, frozenset({"text"})),
    "context": (_context, frozenset({"elements"})),
    "actions": (_actions, frozenset({"elements"})),
    "input": (_input, frozenset({"label", "hint", "element", "optional", "dispatch_action"})),
    "image": (_image, frozenset({"image_url", "alt_text", "title", "slack_file"})),
    "rich_text": (_rich_text, frozenset({"elements"})),
    "markdown": (_markdown, frozenset({"text"})),
    "plan": (_plan, frozenset({"title", "tasks"})),
    "task_card": (_task, frozenset({"task_id", "title", "details", "output", "sources", "status"})),
    "alert": (_alert, frozenset({"text", "level"})),
    "table": (_table, frozenset({"rows", "column_settings"})),
    "container": (
        _container,
        frozenset(
            {
                "title",
                "rich_text_title",
                "subtitle",
                "child_blocks",
                "width",
                "icon",
                "is_collapsible",
                "default_collapsed",
                "has_header_divider",
            }
        ),
    ),
}
