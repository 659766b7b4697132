"""What a decision asks for, in words: slots, how they combine, and what is still missing. Pure."""

from collections.abc import Iterable, Sequence

from bot.model.quorums import AnyOf, Need, Quorum, SlotSpec, Stage, Verdict
from bot.texts import listed, say
from handlers.views.mrkdwn import safe


def missing(verdict: Verdict, language: str) -> str | None:
    """“Needs 1 more dba (has 1 of 2); legal or ciso”, or None when nothing is missing."""
    if not verdict.missing:
        return None
    lines = [_stage(stage, language) for stage in verdict.missing]
    if verdict.later:
        names = listed((safe(stage.name) for stage in verdict.later), language)
        lines.append(say("card.later", language, stages=names))
    return "\n".join(lines)


def asked_for(quorum: Quorum, language: str) -> str:
    """Everything a rule asks for: “2 of dba; 1 of legal or 1 of ciso”."""
    stages = [
        joined((_asked(need, language) for need in stage.needs), language, "words.semi")
        for stage in quorum.stages
    ]
    if len(stages) > 1:
        named = zip(quorum.stages, stages, strict=True)
        stages = [say("list.stage", language, stage=safe(stage.name), needs=text) for stage, text in named]
    between = "list.then" if quorum.in_turn else "words.semi"
    text = joined(stages, language, between)
    if quorum.veto:
        roles = joined((f"*{safe(role)}*" for role in quorum.veto), language, "words.or")
        text = say("list.veto", language, needs=text, roles=roles)
    return text


def joined(parts: Iterable[str], language: str, key: str) -> str:
    """Parts with what stands between two of them."""
    said = ""
    for part in parts:
        said = say(key, language, first=said, second=part) if said else part
    return said


def _stage(stage: Stage, language: str) -> str:
    needed = joined((_more(need, language) for need in stage.needs), language, "words.semi")
    if stage.name:
        return say("card.needs.stage", language, stage=safe(stage.name), needed=needed)
    return say("card.needs", language, needed=needed)


def _more(need: Need, language: str) -> str:
    if not isinstance(need, SlotSpec):
        return _combined(need, [_short(part, language) for part in need.parts], language)
    key = "card.slot" if need.of is None else "card.slot.partly"
    have = 0 if need.of is None else need.of - need.count
    text = say(key, language, n=need.count, role=safe(need.role), have=have, of=need.of or need.count)
    return _except(need, text, language)


def _short(need: Need, language: str) -> str:
    """A part of several: a single person is named by the role alone."""
    if not isinstance(need, SlotSpec):
        return f"({_more(need, language)})"
    if need.count > 1 or need.of is not None:
        return _more(need, language)
    return _except(need, safe(need.role), language)


def _asked(need: Need, language: str) -> str:
    if isinstance(need, SlotSpec):
        text = say("list.slot", language, n=need.count, role=safe(need.role))
        return _except(need, text, language)
    parts = [
        _asked(part, language) if isinstance(part, SlotSpec) else f"({_asked(part, language)})"
        for part in need.parts
    ]
    return _combined(need, parts, language)


def _combined(need: Need, parts: Sequence[str], language: str) -> str:
    return joined(parts, language, "words.or" if isinstance(need, AnyOf) else "words.and")


def _except(slot: SlotSpec, text: str, language: str) -> str:
    if not slot.but:
        return text
    roles = joined((safe(role) for role in slot.but), language, "words.or")
    return say("card.slot.except", language, slot=text, roles=roles)
