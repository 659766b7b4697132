"""Buttons, selects and inputs, and their limits. Pure."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from bot.sandbox.slack.report import ID, PLAIN, Report
from bot.sandbox.slack.tree import kind_of

STYLES = (None, "primary", "danger")
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


def check_element(report: Report, element: Any, path: str, kinds: Sequence[str]) -> None:
    """One element, which must be of one of ``kinds``."""
    if kind_of(element) not in kinds:
        report.bad(path, f"unsupported element type: {kind_of(element)}")
        return
    report.size(element.get("action_id"), f"{path}/action_id", ID)
    if "confirm" in element:
        _confirm(report, element["confirm"], f"{path}/confirm")
    report.optional_text(element, "placeholder", path, 150)
    special = ELEMENTS.get(element["type"])
    if special is not None:
        special(report, element, path)


def _button(report: Report, element: Mapping[str, Any], path: str) -> None:
    report.text(element.get("text"), f"{path}/text", 75, PLAIN)
    report.size(element.get("value"), f"{path}/value", 2000)
    report.size(element.get("url"), f"{path}/url", 3000)
    report.size(element.get("accessibility_label"), f"{path}/accessibility_label", 75)
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


def _options(most: int) -> Callable[[Report, Mapping[str, Any], str], None]:
    def check(report: Report, element: Mapping[str, Any], path: str) -> None:
        offered = []
        if "option_groups" in element:
            groups = report.items(element["option_groups"], f"{path}/option_groups", 100)
            for number, group in enumerate(groups):
                where = f"{path}/option_groups/{number}"
                named = group if isinstance(group, Mapping) else {}
                report.text(named.get("label"), f"{where}/label", 75, PLAIN)
                offered += _checked(report, named.get("options"), f"{where}/options", 100)
        else:
            offered = _checked(report, element.get("options"), f"{path}/options", most)
        if "initial_option" in element and element["initial_option"] not in offered:
            report.bad(f"{path}/initial_option", "must be one of the options")

    return check


def _checked(report: Report, options: Any, path: str, most: int) -> list[Any]:
    """The options, each looked at."""
    offered = report.items(options, path, most)
    for number, option in enumerate(offered):
        where = f"{path}/{number}"
        if not isinstance(option, Mapping):
            report.bad(where, "must be an option object")
            continue
        report.text(option.get("text"), f"{where}/text", 75)
        report.optional_text(option, "description", where, 75)
        report.size(option.get("value") or "", f"{where}/value", 150)
    return offered


def _text_input(report: Report, element: Mapping[str, Any], path: str) -> None:
    longest = element.get("max_length", 3000)
    if not isinstance(longest, int) or not 1 <= longest <= 3000:
        report.bad(f"{path}/max_length", "must be 1 to 3000")
    elif len(str(element.get("initial_value", ""))) > longest:
        report.bad(f"{path}/initial_value", f"must be less than {longest + 1} characters")


def _file_input(report: Report, element: Mapping[str, Any], path: str) -> None:
    if not 1 <= int(element.get("max_files", 10)) <= 10:
        report.bad(f"{path}/max_files", "must be 1 to 10")


def check_image(report: Report, node: Mapping[str, Any], path: str) -> None:
    """An image, as a block or as an element."""
    report.size(node.get("image_url"), f"{path}/image_url", 3000)
    report.string(node.get("alt_text"), f"{path}/alt_text", 2000)
    if not node.get("image_url") and not node.get("slack_file"):
        report.bad(path, "an image needs image_url or slack_file")


Check = Callable[[Report, Mapping[str, Any], str], None]

ELEMENTS: dict[str, Check] = {
    "button": _button,
    "image": check_image,
    "plain_text_input": _text_input,
    "file_input": _file_input,
    "overflow": _options(5),
    "checkboxes": _options(10),
    "radio_buttons": _options(10),
    "static_select": _options(100),
    "multi_static_select": _options(100),
}
