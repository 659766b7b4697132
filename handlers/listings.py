"""/countersign backups, targets and policy: what can be brought back, what there is, and who decides.

Lists as in ``handlers.overview``: the delivery is settled with a key alone and rendered when it is sent.
"""

from collections.abc import Iterable

from bot.config.rule_types import Rule
from bot.config.types import Config
from bot.errors import BadInput
from bot.model.bounds import written
from bot.model.doors import Answer, KeptBackup
from bot.policy.rules import about
from bot.texts import listed, say
from handlers import words
from handlers.front import Call, Front
from handlers.overview import for_members
from handlers.ports import ReadingPort
from handlers.views import backups, hours, slots
from handlers.views.blocks import Rendered, message, section
from handlers.views.mrkdwn import channel, safe, user

#: Answers that are lists; a colon cannot stand in a key of the catalogue.
BACKUPS = "list:backups"
TARGETS = "list:targets"
POLICY = "list:policy"


def backups_command(front: Front, call: Call) -> None:
    """``/countersign backups [system]``: what can be brought back, newest first."""
    _list(front, call, BACKUPS)


def targets_command(front: Front, call: Call) -> None:
    """``/countersign targets [system]``: the configured systems."""
    _list(front, call, TARGETS)


def policy_command(front: Front, call: Call) -> None:
    """``/countersign policy [system]``: the rules, in words."""
    _list(front, call, POLICY)


def _list(front: Front, call: Call, key: str) -> None:
    name = words.plain(call.text)
    if name and name not in front.config.targets:
        known = ", ".join(front.config.targets)
        raise BadInput("filing.unknown-target", target=name, known=known)
    answer = Answer(key, {"target": name} if name else {})
    front.settle(call, lambda _life, _work, actor, _now: for_members(actor, front, answer))


def render(answer: Answer, config: Config, reading: ReadingPort, language: str) -> Rendered | None:
    """The list behind one of our keys; None when it is not ours."""
    only = str(answer.params.get("target", "")) or None
    match answer.key:
        case "list:backups":
            head, lines = _backups(reading.kept_backups(only), language)
        case "list:targets":
            head, lines = _targets(config, reading, only, language)
        case "list:policy":
            head, lines = _policy(config, only, language)
        case _:
            return None
    return message(head, [section(part) for part in (head, *lines)])


def _backups(kept: Iterable[KeptBackup], language: str) -> tuple[str, list[str]]:
    lines = [backups.line(one, language) for one in kept]
    return say("list.backups" if lines else "list.no-backups", language, n=len(lines)), lines


def _targets(config: Config, reading: ReadingPort, only: str | None, language: str) -> tuple[str, list[str]]:
    frozen = reading.frozen()
    lines = []
    for name, target in config.targets.items():
        if only not in (None, name):
            continue
        text = [f"*{safe(name)}*" + (f" · {safe(target.environment)}" if target.environment else "")]
        if target.records:
            records = listed((safe(record) for record in target.records), language)
            text.append(say("list.target.records", language, records=records))
            over = [safe(name) for name, record in target.records.items() if record.hands_over]
            if over:
                text.append(say("list.target.hands-over", language, records=listed(over, language)))
        if target.is_system:
            text.append(say("list.target.system", language, target=safe(name)))
        if name in frozen:
            text.append(say("list.target.frozen", language, user=user(frozen[name])))
        text.append(say("list.target.channel", language, channel=channel(target.channel or config.channel)))
        if target.support:
            text.append(say("list.target.support", language, support=safe(target.support)))
        lines.append("\n".join(text))
    return say("list.targets", language, n=len(lines)), lines


def _policy(config: Config, only: str | None, language: str) -> tuple[str, list[str]]:
    shown = config.rules if only is None else about(config.rules, only, config.targets[only].environment)
    lines = [_rule_line(number, rule, language) for number, rule in enumerate(shown, start=1)]
    return say("list.policy" if lines else "list.no-policy", language, n=len(lines)), lines


def _rule_line(number: int, rule: Rule, language: str) -> str:
    """One rule: what it is about, who may ask, who must agree."""
    when = rule.when
    matter = [listed((say(f"card.operation.{one}", language) for one in when.operation), language)]
    matter += [
        listed((safe(name) for name in names), language)
        for names in (when.target, when.record, when.environment)
        if names
    ]
    if when.rows is not None:
        matter.append(say("list.rule.rows", language, n=when.rows.at_most))
    matter += _bounds(rule, language)
    askers = slots.joined((f"*{safe(role)}*" for role in rule.request), language, "words.or")
    return say(
        "list.rule",
        language,
        n=number,
        name=safe(rule.name),
        about=" · ".join(matter),
        askers=askers,
        voters=slots.asked_for(rule.quorum, language),
    )


def _bounds(rule: Rule, language: str) -> list[str]:
    """What bounds it besides its approvals."""
    found = []
    cap = rule.limit
    if cap is not None:
        span = written(int(cap.per.total_seconds()))
        for key, number in (
            ("list.rule.limit-rows", cap.rows),
            ("list.rule.limit-requests", cap.requests),
        ):
            if number is not None:
                found.append(say(key, language, n=number, span=span))
    if rule.expected:
        found.append(say("list.rule.expected", language))
    if rule.window:
        windows = hours.in_words(tuple(one.spec for one in rule.window), language)
        found.append(say("list.rule.window", language, windows=windows))
    return found
