"""/countersign requests, show, whoami, help, and the Home tab.

These answers are lists, not sentences: the delivery is settled with a key alone, and the list is rendered
from state when it is sent.
"""

from dataclasses import replace

from bot.approvals.quorum import cannot_be
from bot.config.types import Config
from bot.errors import BadInput, NotFound
from bot.model.doors import Answer, Personal, RequestView
from bot.model.people import Actor
from bot.model.requests import CLOSED
from bot.texts import listed, say
from handlers import parsing
from handlers.front import Call, Front
from handlers.ports import ReadingPort
from handlers.slack import SlackIsBusy, SlackIsSilent, SlackSaysNo
from handlers.views import copies, home, plan, progress, request_card
from handlers.views.blocks import Rendered, message, section
from handlers.views.ink import Ink
from handlers.views.mrkdwn import cut, safe, user

#: Answers that are lists; a colon cannot stand in a key of the catalogue.
HELP = "list:help"
REQUESTS = "list:requests"
SHOW = "list:show"
WHOAMI = "list:whoami"


def help_command(front: Front, call: Call) -> None:
    """``/countersign help``, and whatever is not understood."""
    front.answer(call, Answer(HELP))


def unknown_command(front: Front, call: Call) -> None:
    """A word after ``/countersign`` that this version does not know."""
    word = parsing.subcommand(call.text)[0]
    front.services.desk.refuse(call.delivery, BadInput("usage.unknown", word=word))


def requests_command(front: Front, call: Call) -> None:
    """``/countersign requests``."""
    front.settle(call, lambda _life, _work, actor, _now: for_members(actor, front, Answer(REQUESTS)))


def show_command(front: Front, call: Call) -> None:
    """``/countersign show 42``."""
    number = parsing.number(call.text)
    if front.services.reading.by_number(number) is None:
        raise NotFound("request.no-number", number=number)

    def decide(_life: object, _work: object, actor: Actor, _now: object) -> Answer:
        view = front.services.reading.by_number(number)
        entitled = bool(actor.roles) or (view is not None and view.request.requester == actor.user)
        return for_members(actor, front, Answer(SHOW, {"number": number, "full": int(entitled)}))

    front.settle(call, decide)


def whoami_command(front: Front, call: Call) -> None:
    """``/countersign whoami``."""
    front.settle(
        call,
        lambda _life, _work, actor, _now: Answer(
            WHOAMI, {"person": actor.user, "roles": ",".join(sorted(actor.roles))}
        ),
    )


def home_opened(front: Front, call: Call) -> None:
    """The Home tab was opened: publish it anew."""
    actor = front.actor(call)
    language = front.people.language(actor.user)
    requests = front.services.reading.open_requests() if _is_member(actor, front) else ()
    about = about_person(front.config, actor.user, actor.roles, language)
    view = home.render(requests, about, help_text(front.config, language), language)
    try:
        front.slack.call("views.publish", user_id=actor.user, view=view)
    except (SlackSaysNo, SlackIsBusy, SlackIsSilent):
        return


def render(answer: Answer, config: Config, reading: ReadingPort, language: str) -> Rendered | None:
    """The list behind one of our keys; None when the answer is a plain sentence."""
    if answer.key == HELP:
        return _paragraphs(help_text(config, language))
    if answer.key == REQUESTS:
        return _paragraphs(requests_text(list(reading.open_requests()), language))
    if answer.key == WHOAMI:
        roles = frozenset(role for role in str(answer.params.get("roles", "")).split(",") if role)
        return _paragraphs(about_person(config, str(answer.params.get("person", "")), roles, language))
    if answer.key == SHOW:
        view = reading.by_number(int(answer.params["number"]))
        if view is not None and not answer.params.get("full"):
            view = replace(view, personal=Personal())
        return None if view is None else show(view, language)
    return None


def requests_text(requests: list[RequestView], language: str) -> str:
    """The open requests, one paragraph each."""
    if not requests:
        return say("overview.none", language)
    lines = [say("overview.open", language, n=len(requests))]
    lines += [home.line(view, language) for view in requests]
    return "\n\n".join(lines)


def show(view: RequestView, language: str) -> Rendered:
    """One request in words, without buttons."""
    parts = [
        section(f"*{request_card.title(view, language)}*\n{request_card.state_line(view, language)}"),
        section(request_card.who_and_what(view, Ink(language))),
        section("\n".join(request_card.votes(view, language))),
        section(None if view.request.state in CLOSED else request_card.missing_line(view, language)),
        *(
            section(text)
            for text in plan.tables(
                view.revision.plan if view.revision else {}, view.request.operation, Ink(language)
            )
        ),
        section(progress.steps(view, language)),
        section(copies.in_short(view, language)),
    ]
    return message(request_card.summary(view, language), parts)


def help_text(config: Config, language: str) -> str:
    """How to ask, with the names of this configuration."""
    target = next((one for one in config.targets.values() if one.records), None)
    name = target.name if target else next(iter(config.targets))
    record = next(iter(target.records)) if target else "customer"
    text = say("overview.help", language, target=safe(name), record=safe(record))
    for one in config.targets.values():
        for kind, spec in one.records.items():
            if spec.hands_over:
                more = say("overview.help-reassign", language, target=safe(one.name), record=safe(kind))
                return f"{text}\n\n{more}"
    return text


def about_person(config: Config, person: str, roles: frozenset[str], language: str) -> str:
    """The roles somebody holds, what that lets them ask, and what they may approve."""
    held = listed((safe(role) for role in sorted(roles)), language)
    lines = [
        say("overview.whoami", language, person=user(person), roles=held)
        if held
        else say("overview.no-roles", language, person=user(person))
    ]
    may_ask = [rule.name for rule in config.rules if roles & set(rule.request)]
    may_approve = [rule.name for rule in config.rules if roles & set(rule.quorum.roles)]
    for key, names in (("overview.may-ask", may_ask), ("overview.may-approve", may_approve)):
        if names:
            lines.append(say(key, language, rules=listed((safe(name) for name in names), language)))
    if roles:
        lines.append(say("overview.may-brake", language))
    return "\n".join(lines)


def _paragraphs(text: str) -> Rendered:
    return message(cut(text, 2900), [section(part) for part in text.split("\n\n")])


def _is_member(actor: Actor, front: Front) -> bool:
    return cannot_be(actor.facts, front.config.workspace) is None


def for_members(actor: Actor, front: Front, answer: Answer) -> Answer:
    """The answer, for people of this workspace only."""
    if _is_member(actor, front):
        return answer
    return Answer("overview.members-only")
