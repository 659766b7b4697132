"""Filling in a form as Slack's own client does it. Pure.

``fill`` turns plain values into the ``state.values`` of a submission and finds what the client itself would
complain about before anything is sent.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from bot.errors import NotFound
from bot.sandbox.slack.tree import elements_of, kind_of
from bot.sandbox.slack.workspace import Json

MISSING = "Please complete this required field."
#: element type -> the key of its value in the state, for those whose value is plain.
PLAIN_VALUES = {
    "plain_text_input": "value",
    "number_input": "value",
    "email_text_input": "value",
    "url_text_input": "value",
    "users_select": "selected_user",
    "conversations_select": "selected_conversation",
    "channels_select": "selected_channel",
    "datepicker": "selected_date",
    "timepicker": "selected_time",
    "datetimepicker": "selected_date_time",
    "multi_users_select": "selected_users",
    "multi_conversations_select": "selected_conversations",
    "multi_channels_select": "selected_channels",
}
ONE_OPTION = ("static_select", "radio_buttons", "external_select", "overflow")
INITIAL = {"value": "initial_value"}


def fill(body: Json, given: Mapping[str, Any]) -> tuple[Json, dict[str, str]]:
    """State values and complaints by block id, from values keyed by block id or action id.

    Raises:
        NotFound: a key or an option that the form does not have.
    """
    values: Json = {}
    complaints: dict[str, str] = {}
    unused = set(given)
    for block, element in inputs(body):
        block_id, action_id = block["block_id"], element["action_id"]
        key = next((name for name in (block_id, action_id) if name in given), None)
        unused -= {block_id, action_id}
        entry = initial(element) if key is None else chosen(element, given[key])
        values.setdefault(block_id, {})[action_id] = {"type": element["type"], **entry}
        complaint = _complaint(block, element, entry)
        if complaint:
            complaints[block_id] = complaint
    if unused:
        raise NotFound("sandbox.no_such_field", field=", ".join(sorted(unused)))
    return values, complaints


def inputs(body: Json) -> Iterator[tuple[Json, Json]]:
    """Each block of a form that holds a value, with its element."""
    for block in body.get("blocks", []):
        for element in elements_of(block):
            if "action_id" in element and kind_of(element) != "button":
                yield block, element


def initial(element: Json) -> Json:
    """What an untouched element holds."""
    kind = element["type"]
    if kind in PLAIN_VALUES:
        key = PLAIN_VALUES[kind]
        return {key: element.get(INITIAL.get(key, key.replace("selected", "initial")))}
    if kind == "file_input":
        return {"files": []}
    if kind in ONE_OPTION:
        return {"selected_option": element.get("initial_option")}
    return {"selected_options": element.get("initial_options", [])}


def chosen(element: Json, value: Any) -> Json:
    """What an element holds after a person has put ``value`` in: a text, an option's value, or a list."""
    kind = element["type"]
    if kind in PLAIN_VALUES:
        return {PLAIN_VALUES[kind]: value if value != "" else None}
    if kind == "file_input":
        return {"files": [value] if isinstance(value, dict) else list(value or ())}
    if kind in ONE_OPTION:
        return {"selected_option": None if value in (None, "") else _option(element, value)}
    return {"selected_options": [_option(element, one) for one in value]}


def _option(element: Json, value: Any) -> Json:
    if isinstance(value, dict):
        return value
    groups = [group["options"] for group in element.get("option_groups", [])]
    for option in (*element.get("options", ()), *(option for group in groups for option in group)):
        if option.get("value") == value:
            return {"text": option["text"], "value": value}
    if "external" in element["type"]:
        return {"text": {"type": "plain_text", "text": str(value)}, "value": value}
    raise NotFound("sandbox.no_such_option", option=str(value))


def _complaint(block: Json, element: Json, entry: Json) -> str:
    held = next(iter(entry.values()))
    if block["type"] == "input" and not block.get("optional") and held in (None, "", []):
        return MISSING
    if element["type"] == "plain_text_input" and held:
        least, most = element.get("min_length", 0), element.get("max_length", 3000)
        if not least <= len(held) <= most:
            return f"Please enter {least} to {most} characters."
    return ""
