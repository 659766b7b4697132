"""The receipt: what went or came back, and how to get it back. Pure."""

from bot.model.doors import RequestView
from bot.model.jobs import Backup
from bot.model.requests import Operation
from bot.texts import say
from handlers.views import plan, request_card
from handlers.views.blocks import Block, Rendered, actions, button, context, header, message, section
from handlers.views.mrkdwn import code, moment, safe, size

_DESTROYED = ("deleting", "gone")


def render(view: RequestView, language: str) -> Rendered:
    """The receipt of a finished request. Nothing in it is personal."""
    request = view.request
    first = say(f"receipt.title.{request.operation}", language, number=request.number or 0)
    backup = view.backup if request.operation is Operation.DELETE_RECORDS else None
    counted = request_card.rows_line(view, language)
    data = view.revision.plan if view.revision else {}
    parts: list[Block | None] = [
        header(first),
        section(
            say(
                f"receipt.done.{request.operation}",
                language,
                target=safe(request.target),
                counted=counted or say("receipt.nothing-counted", language),
            )
        ),
        *(section(text) for text in plan.tables(data, request.operation, language)),
    ]
    if backup is not None:
        parts += _backup(backup, language)
    elif view.backup is not None and request.operation is Operation.RESTORE:
        parts.append(
            section(say("receipt.from-backup", language, reference=code(view.backup.reference, 1000)))
        )
    if view.head:
        parts.append(context(say("receipt.head", language, head=code(view.head, 200))))
    if backup is not None and backup.state not in _DESTROYED:
        value = f"{request.id}"
        parts.append(actions([button("restore", say("receipt.restore", language), value)]))
    return message(f"{first}: {safe(request.target)}", parts)


def _backup(backup: Backup, language: str) -> list[Block | None]:
    if backup.state in _DESTROYED:
        return [section(say("receipt.destroyed", language, sha256=code(backup.sha256, 100)))]
    command = f"/restore {backup.reference} -- "
    facts = [
        say("receipt.reference", language, reference=code(backup.reference, 1000)),
        say("receipt.checksum", language, sha256=code(backup.sha256, 100)),
        say("receipt.size", language, size=size(backup.size), rows=say("card.rows", language, n=backup.rows)),
        say("receipt.until", language, until=moment(backup.keep_until)),
        say("receipt.proven", language, seconds=_seconds(backup.test_restore_ms)),
    ]
    back = say(
        "receipt.way-back", language, command=code(command + say("receipt.reason-word", language), 1200)
    )
    return [section("\n".join(facts)), section(back)]


def _seconds(milliseconds: int) -> str:
    return safe("< 0.1") if milliseconds < 100 else f"{milliseconds / 1000:.1f}"
