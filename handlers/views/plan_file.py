"""The whole plan as a text file, for when the messages cannot show it in full. Pure.

It holds what the messages hold, personal texts included, without limits: so it is deleted when the request
closes, and its checksum alone must tell nothing, which is what the mark at its end is for.
"""

import hashlib
from dataclasses import dataclass

from bot.model.doors import RequestView
from bot.texts import say
from handlers.views import plan, request_card
from handlers.views.ink import Ink
from handlers.views.mrkdwn import plain


@dataclass(frozen=True)
class Written:
    """A file as it is handed over."""

    content: bytes

    @property
    def sha256(self) -> str:
        """Its checksum, as hexadecimal digits."""
        return hashlib.sha256(self.content).hexdigest()


def written(view: RequestView, language: str) -> Written | None:
    """The file for the plan of a request; None when the messages show all of it."""
    revision = view.revision
    if revision is None or plan.is_whole(view, language):
        return None
    ink = Ink(language, whole=True)
    title = plan.title(view, language)
    rule = say("card.rule", language, rule=ink.safe(revision.rule.name))
    parts = [
        f"{title}\n{'=' * len(title)}",
        "\n".join([*request_card.asked(view, ink), rule]),
        *plan.paragraphs(view, ink),
        say("plan.file.binding", language, digest=revision.digest),
        say("plan.file.mark", language, mark=view.personal.mark or "-"),
    ]
    return Written(("\n\n".join(plain(part) for part in parts) + "\n").encode())


def name(view: RequestView) -> str:
    """What the file is called."""
    return f"plan-{view.request.number or 0}-{view.request.revision}.txt"


def comment(view: RequestView, file: Written, language: str) -> str:
    """What is said beside it. Danger: it stays when the file is deleted, so nothing in it may be personal."""
    number, revision = view.request.number or 0, view.request.revision
    return say("plan.file.comment", language, number=number, revision=revision, sha256=file.sha256)
