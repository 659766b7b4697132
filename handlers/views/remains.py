"""What a system leaves besides its parts: before the teardown in the plan, after it on the receipt. Pure."""

from collections.abc import Mapping, Sequence
from typing import Any

from bot.model.doors import RequestView
from bot.model.remains import MACHINE, Remain, Remains, Unread, by_kind
from bot.texts import listed, say
from handlers.views.blocks import Block, actions, button, section
from handlers.views.ink import Ink

#: So many of a kind, and of what could not be looked at, stand in a message.
_SHOWN = 5
#: So many places in which something was looked for.
_PLACES = 8
_PATH = 120
#: What is done by hand by typing something that the catalogue spells out.
_TYPED = ("user", "group", "role")


def announced(system: Mapping[str, Any], ink: Ink) -> list[str]:
    """What is there now and would stay, as paragraphs; none when nothing was to be looked for."""
    data = system.get("residue")
    if data is None:
        return []
    return _told(Remains.from_data(data), "plan.remains", "plan.remains-none", ink)


def found(view: RequestView, language: str) -> list[Block | None]:
    """What was there when everything was gone, and the button that asks to clear it away."""
    data = view.job.facts.get("remains") if view.job else None
    if data is None:
        return []
    remains, ink = Remains.from_data(data), Ink(language)
    parts: list[Block | None] = [
        section(text) for text in _told(remains, "receipt.remains", "receipt.remains-none", ink)
    ]
    if any(len(of) > _SHOWN for of in by_kind(remains.found).values()) or len(remains.unread) > _SHOWN:
        parts.append(section(say("receipt.remains-all", language)))
    if remains.clearable:
        label = say("receipt.clear", language, n=len(remains.clearable))
        parts.append(actions([button("clear", label, f"{view.request.id}")]))
    return parts


def _told(remains: Remains, some: str, none: str, ink: Ink) -> list[str]:
    language, by_hand = ink.language, [one for one in remains.found if one.hand]
    clear = [one for one in remains.found if not one.hand]
    paragraphs = [f"*{say(some, language, n=len(remains.found))}*" if remains.found else say(none, language)]
    paragraphs[0] += "".join(f"\n{line}" for line in _by_kind(clear, ink))
    if by_hand:
        lines = _by_hand(by_hand, ink)
        paragraphs.append("\n".join([f"*{say('remains.by-hand', language)}*", *lines]))
    if remains.unread:
        lines = [_unread(one, ink) for one in ink.shown(remains.unread, _SHOWN)]
        lines += _more(remains.unread, ink)
        paragraphs.append("\n".join([f"*{say('remains.unread', language)}*", *lines]))
    if remains.absent:
        names = listed([say(f"remains.kind.{kind}", language) for kind in remains.absent], language)
        paragraphs.append(" ".join([say("remains.absent", language, kinds=names), *_looked(remains, ink)]))
    return paragraphs


def _looked(remains: Remains, ink: Ink) -> list[str]:
    """What the absence is about."""
    places = [ink.code(place, _PATH) for place in ink.shown(remains.where, _PLACES)]
    more = _more(remains.where, ink, _PLACES)
    return [say("remains.looked", ink.language, places=", ".join([*places, *more]))] if places else []


def _by_kind(found: Sequence[Remain], ink: Ink) -> list[str]:
    lines = []
    for kind, of in by_kind(found).items():
        places = [_place(one, ink) for one in ink.shown(of, _SHOWN)]
        lines.append(
            f"• {say(f'remains.kind.{kind}', ink.language)}: {', '.join([*places, *_more(of, ink)])}"
        )
    return lines


def _by_hand(found: Sequence[Remain], ink: Ink) -> list[str]:
    """What a request cannot clear away, with the reason, or with what to type."""
    lines = []
    for kind, of in by_kind(found).items():
        for reason in dict.fromkeys(one.hand for one in of):
            same = [one for one in of if one.hand == reason]
            places = [_place(one, ink) for one in ink.shown(same, _SHOWN)]
            line = f"• {say(f'remains.kind.{kind}', ink.language)}: {', '.join([*places, *_more(same, ink)])}"
            # What to type, or that others are in the file as well, says why by itself.
            plain = kind in (*_TYPED, "mention") and "." not in reason
            why = reason.replace(kind, "machine", 1) if kind in MACHINE else reason
            lines.append(line if plain else f"{line}; {say(f'remains.hand.{why}', ink.language)}")
    return lines


def _place(one: Remain, ink: Ink) -> str:
    if one.kind in _TYPED and one.hand:
        # Names of MariaDB come as its statements take them.
        name = one.place.replace('"', '""') if one.kind == one.hand else one.place
        typed = f"remains.typed.{one.hand.partition('.')[0]}"
        return ink.code(say(typed, ink.language, name=name), _PATH)
    word = "remains.lines" if one.kind == "mention" else "remains.files"
    counted = f" ({say(word, ink.language, n=one.n)})" if one.n > 1 else ""
    return ink.code(one.place, _PATH) + counted


def _unread(one: Unread, ink: Ink) -> str:
    what = ink.code(one.place, _PATH) if one.place else say(f"remains.kind.{one.kind}", ink.language)
    return f"• {what}: {say(f'remains.why.{one.why}', ink.language)}"


def _more(items: Sequence[object], ink: Ink, shown: int = _SHOWN) -> list[str]:
    rest = ink.left(items, shown)
    return [say("plan.more", ink.language, n=rest)] if rest else []
