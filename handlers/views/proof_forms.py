"""The forms for a code and for an enrolment. Pure: what is typed into them goes sealed to the worker."""

from collections.abc import Mapping
from typing import Any

from bot.errors import BadInput
from bot.model.doors import RequestView
from bot.model.plans import counted
from bot.model.proofs import is_plausible
from bot.texts import say
from handlers.views.blocks import section
from handlers.views.forms import View, field, modal, private_of, values_of
from handlers.views.mrkdwn import code, safe, user

CODE = "form-code"
ENROL = "form-enrol"
CHANGE = "form-change"


def ask(view: RequestView, confirm: bool, channel: str, language: str) -> View:
    """The form behind *Enter code…*: for this revision of this request, and no other."""
    request, revision = view.request, view.revision
    assert revision is not None
    about = say(
        "proof.form.about",
        language,
        number=request.number or 0,
        target=safe(request.target),
        digest=code(revision.digest[:12], 20),
    )
    blocks: list[View] = [part for part in (section(about),) if part]
    carried: dict[str, Any] = {
        "channel": channel,
        "request": request.id,
        "revision": revision.revision,
        "digest": revision.digest,
    }
    if confirm:
        count = counted(revision.plan)
        blocks.append(field("target", language, limit=200, named="typed-target"))
        carried["target"] = request.target
        if count is not None:
            blocks.append(field("count", language, limit=20))
            carried["count"] = count
    blocks.append(field("code", language, limit=40))
    return modal(CODE, blocks, carried, language)


def enrol(channel: str, language: str) -> View:
    """The form of ``/countersign enrol``."""
    blocks = [field("ticket", language, limit=40), field("code", language, limit=40)]
    return modal(ENROL, blocks, {"channel": channel}, language)


def change(person: str, channel: str, language: str) -> View:
    """The form behind *Confirm…*: a new phone for somebody else, with one's own code."""
    about = section(say("proof.form.change", language, user=user(person)))
    blocks: list[View] = [part for part in (about,) if part]
    blocks.append(field("code", language, limit=40))
    return modal(CHANGE, blocks, {"channel": channel, "subject": person}, language)


def problems(view: Mapping[str, Any]) -> dict[str, BadInput]:
    """What is wrong, by field: no code, or not what the card shows. The worker looks again."""
    kind = view.get("callback_id")
    if kind not in (CODE, ENROL, CHANGE):
        return {}
    values, carried = values_of(view), private_of(view)
    found: dict[str, BadInput] = {}
    typed = values.get("code", "").strip()
    if not is_plausible(typed) or (kind != CODE and len(typed) > 8):
        found["code"] = BadInput("proof.code-form" if kind == CODE else "proof.first-code-form")
    if "target" in carried and values.get("target", "").strip() != carried["target"]:
        found["target"] = BadInput("proof.other-target")
    if "count" in carried and number_in(values.get("count", "")) != carried["count"]:
        found["count"] = BadInput("proof.other-count")
    return found


def number_in(typed: str) -> int | None:
    """A count as people type it, with or without what stands between the thousands."""
    digits = "".join(letter for letter in typed if letter not in " ,.'’_\u00a0\u202f")  # noqa: RUF001 - those are meant
    return int(digits) if digits.isascii() and digits.isdigit() and len(digits) <= 15 else None


def content(view: Mapping[str, Any]) -> dict[str, str | int]:
    """What the worker is told, besides who said it."""
    values, carried = values_of(view), private_of(view)
    said: dict[str, str | int] = {"code": values.get("code", "").strip()}
    if view.get("callback_id") == ENROL:
        return {**said, "ticket": values.get("ticket", "").strip()}
    for name in ("request", "revision", "digest", "subject"):
        if isinstance(carried.get(name), str | int):
            said[name] = carried[name]
    if "target" in values:
        said["target"] = values["target"].strip()
    count = number_in(values.get("count", ""))
    return said if count is None else {**said, "count": count}
