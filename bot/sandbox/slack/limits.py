"""Block and text limits of Slack, checked all the way down. Pure.

:func:`check_message` and :func:`check_view` raise :class:`ApiError` with Slack's code and, beside it, one
``[ERROR] … [json-pointer:…]`` line per problem, as Slack does. Sizes are characters unless said otherwise.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from bot.sandbox.slack.elements import ACCESSORIES, ACTIONS, INPUTS, Check, check_element, check_image
from bot.sandbox.slack.report import ID, PLAIN, Report
from bot.sandbox.slack.tree import elements_of, kind_of
from bot.sandbox.slack.workspace import ApiError

MESSAGE_BLOCKS = 50
VIEW_BLOCKS = 100
BLOCK_TEXT_TOTAL = 13_200
POST_TEXT = 40_000
UPDATE_TEXT = 4_000
METADATA_BYTES = 16_000
VIEW_BYTES = 250_000
TASK_STATES = ("pending", "in_progress", "complete", "error")
ALERT_LEVELS = (None, "default", "info", "warning", "error", "success")
RICH_PARTS = ("rich_text_section", "rich_text_list", "rich_text_preformatted", "rich_text_quote")


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
        report.optional_text(view, "submit", "/view", 24)
        report.optional_text(view, "close", "/view", 24)
        if "submit" not in view and any(block.get("type") == "input" for block in view.get("blocks", [])):
            report.bad("/view/submit", "a view with inputs needs a submit button")
    report.size(view.get("callback_id"), "/view/callback_id", ID)
    report.size(view.get("private_metadata"), "/view/private_metadata", 3000)
    if report.problems:
        raise ApiError("invalid_arguments", response_metadata={"messages": report.problems})


def _walk(blocks: Any, most: int) -> Report:
    report = Report()
    items = report.items(blocks, "/blocks", most, least=0)
    for number, block in enumerate(items):
        _block(report, block, f"/blocks/{number}")
    kinds = {kind_of(block) for block in items}
    if {"plan", "task_card"} <= kinds:
        report.bad("/blocks", "plan and task_card cannot stand in one message")
    if report.markdown > 12_000:
        report.bad("/blocks", "markdown blocks hold more than 12000 characters together")
    return report


def _block(report: Report, block: Any, path: str) -> None:
    if kind_of(block) not in BLOCKS:
        report.bad(path, f"unsupported type: {kind_of(block)}")
        return
    check, allowed = BLOCKS[kind_of(block)]
    for surplus in set(block) - allowed - {"type", "block_id"}:
        report.bad(f"{path}/{surplus}", f"additional property: {surplus}")
    report.size(block.get("block_id"), f"{path}/block_id", ID)
    block_id = str(block.get("block_id") or "")
    if block_id and block_id in report.block_ids:
        report.bad(f"{path}/block_id", f"block_id {block_id} already exists")
    report.block_ids.add(block_id)
    check(report, block, path)
    _unique_actions(report, block, path)


def _unique_actions(report: Report, block: Mapping[str, Any], path: str) -> None:
    if block["type"] not in ("actions", "section", "input"):
        return
    seen: set[str] = set()
    for action in (element.get("action_id") for element in elements_of(block)):
        if not isinstance(action, str):
            continue
        if action in seen:
            report.bad(path, f"action_id {action} already exists in this block")
        seen.add(action)


def _section(report: Report, block: Mapping[str, Any], path: str) -> None:
    if "text" not in block and not block.get("fields"):
        report.bad(path, "a section needs text or fields")
    if "text" in block:
        report.text(block["text"], f"{path}/text", 3000)
    if "fields" in block:
        for number, field in enumerate(report.items(block["fields"], f"{path}/fields", 10)):
            report.text(field, f"{path}/fields/{number}", 2000)
    if "accessory" in block:
        check_element(report, block["accessory"], f"{path}/accessory", ACCESSORIES)


def _actions(report: Report, block: Mapping[str, Any], path: str) -> None:
    for number, element in enumerate(report.items(block.get("elements"), f"{path}/elements", 25)):
        check_element(report, element, f"{path}/elements/{number}", ACTIONS)


def _context(report: Report, block: Mapping[str, Any], path: str) -> None:
    for number, element in enumerate(report.items(block.get("elements"), f"{path}/elements", 10)):
        where = f"{path}/elements/{number}"
        if kind_of(element) == "image":
            check_element(report, element, where, ("image",))
        else:
            report.text(element, where, 3000)


def _input(report: Report, block: Mapping[str, Any], path: str) -> None:
    report.text(block.get("label"), f"{path}/label", 2000, PLAIN)
    report.optional_text(block, "hint", path, 2000)
    check_element(report, block.get("element"), f"{path}/element", INPUTS)


def _rich_text(report: Report, node: Any, path: str) -> None:
    if kind_of(node) != "rich_text":
        report.bad(path, "must be a rich_text object")
        return
    for number, part in enumerate(report.items(node.get("elements"), f"{path}/elements", 100)):
        where = f"{path}/elements/{number}"
        if kind_of(part) not in RICH_PARTS:
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


def _markdown(report: Report, block: Mapping[str, Any], path: str) -> None:
    report.string(block.get("text"), f"{path}/text", 12_000)
    report.markdown += len(str(block.get("text", "")))


def _plan(report: Report, block: Mapping[str, Any], path: str) -> None:
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


def _alert(report: Report, block: Mapping[str, Any], path: str) -> None:
    report.text(block.get("text"), f"{path}/text", 200)
    report.one_of(block.get("level"), f"{path}/level", ALERT_LEVELS)


def _table(report: Report, block: Mapping[str, Any], path: str) -> None:
    for line, row in enumerate(report.items(block.get("rows"), f"{path}/rows", 100)):
        for column, cell in enumerate(report.items(row, f"{path}/rows/{line}", 20)):
            where = f"{path}/rows/{line}/{column}"
            if kind_of(cell) == "rich_text":
                _rich_text(report, cell, where)
            else:
                report.text(cell, where, 3000, ("raw_text", "raw_number"))


def _container(report: Report, block: Mapping[str, Any], path: str) -> None:
    report.optional_text(block, "title", path, 150)
    for number, child in enumerate(report.items(block.get("child_blocks"), f"{path}/child_blocks", 10)):
        _block(report, child, f"{path}/child_blocks/{number}")


def _header(report: Report, block: Mapping[str, Any], path: str) -> None:
    report.text(block.get("text"), f"{path}/text", 150, PLAIN)


def _nothing(_report: Report, _block: Mapping[str, Any], _path: str) -> None:
    """A divider has nothing to check."""


BLOCKS: dict[str, tuple[Check, frozenset[str]]] = {
    "section": (_section, frozenset({"text", "fields", "accessory", "expand"})),
    "divider": (_nothing, frozenset()),
    "header": (_header, frozenset({"text"})),
    "context": (_context, frozenset({"elements"})),
    "actions": (_actions, frozenset({"elements"})),
    "input": (_input, frozenset({"label", "hint", "element", "optional", "dispatch_action"})),
    "image": (check_image, frozenset({"image_url", "alt_text", "title", "slack_file"})),
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
