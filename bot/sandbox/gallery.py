"""Every message, form and tab that the bot can show, in every state, from made-up requests.

For looking at them, for holding them against Slack's limits, and for proving that the page draws them.
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from importlib import resources
from string import Formatter
from typing import Any

from bot.config.load import load
from bot.config.types import Config
from bot.model.bounds import Bounds
from bot.model.doors import Answer, KeptBackup, Personal, RequestView, Wish
from bot.model.jobs import JobKind, JobState
from bot.model.people import Actor
from bot.model.requests import Operation, State
from bot.sandbox import samples
from bot.sandbox.samples_remains import REMAINS
from bot.texts import catalogue
from handlers import listings, overview, replies
from handlers.parsing import Deletion, Undo
from handlers.restoring import Restore
from handlers.views import ballot, forms, home, plan, plan_file, proof_forms, receipt, request_card
from handlers.views.blocks import Rendered, message, section

Block = dict[str, Any]
Painter = Callable[[RequestView, str], Rendered]

PAINTERS: Mapping[str, Painter] = {
    "card": request_card.render,
    "plan": lambda view, language: plan.render(view, 1, language),
    "preview": lambda view, language: plan.render(view, None, language),
    "ballot": lambda view, language: ballot.render(view, 1, language),
    "old ballot": lambda view, language: ballot.render(view, 9, language),
    "receipt": receipt.render,
    "show": overview.show,
}
SITUATIONS: Mapping[str, Mapping[str, Any]] = {
    "plain": {},
    "frozen": {"frozen": samples.frozen()},
    "no worker": {"worker_alive": False},
    "no plan yet": {"revision": None, "verdict": None, "votes": ()},
    "nobody voted": {"votes": ()},
    "about two colleagues": {"revision": samples.about("U0BOB", "U0DAN")},
    "about many colleagues": {"revision": samples.about(*(f"U0COLLEAGUE{n}" for n in range(40)))},
    "somebody takes over": {"revision": samples.handing_over()},
    "much to expect": {"revision": samples.foreseen()},
    "no support, no environment": {"support": None, "environment": None},
    "outcome": {"request": {"outcome": "outcome.stopped", "outcome_params": {"user": "U0BOB"}}},
    "restore": {"request": {"operation": Operation.RESTORE}},
    "unfreeze": {"request": {"operation": Operation.UNFREEZE, "record": None}},
    "in a window": {
        "revision": samples.bounded(Bounds((samples.NIGHT,))),
        "request": {"starts_at": samples.AT + timedelta(hours=9)},
    },
    "calendar closed": {"revision": samples.bounded(Bounds(closed=(samples.YEAR_END,)))},
    "an expected count": {"request": {"expected": 12}},
    "no number": {"request": {"number": None}},
    "wishes to approve": {
        "intents": samples.wishes(),
        "needs_code": True,
        "enrolled": frozenset({"U0BOB"}),
    },
    "the highest tier": {"needs_code": True, "confirm": True},
    "named elsewhere": {"revision": samples.named_elsewhere()},
    "copies elsewhere": {"revision": samples.copied(), "ticks": samples.ticks()},
    "all copies ticked off": {"revision": samples.copied(), "ticks": samples.ticks(4)},
    "backup destroyed": {"backup": samples.backup(state="gone")},
}
_HOSTILE = "<!channel> 🎉 *bold* _`tick`_ <@U0BOB> <https://example.com|money> &amp; "
#: What is very long, very many, nothing at all, or meant to do harm.
EXTREMES: Mapping[str, Mapping[str, Any]] = {
    "hostile and long": {
        "request": {"target": _HOSTILE, "record": "r" * 90},
        "personal": Personal(
            _HOSTILE * 9, (_HOSTILE, *("v" * 300,) * 30), _HOSTILE * 40, _HOSTILE * 40, heir=_HOSTILE * 9
        ),
        "revision": samples.handing_over(),
        "support": _HOSTILE * 9,
        "environment": _HOSTILE,
    },
    "200 tables": {"revision": samples.revision(200)},
    "200 tables, file coming": {"revision": samples.revision(200), "file": samples.plan_file(there=False)},
    "200 tables, file there": {"revision": samples.revision(200), "file": samples.plan_file()},
    "200 tables, file deleted": {
        "revision": samples.revision(200),
        "file": samples.plan_file(there=False, gone=True),
    },
    "one table": {"revision": samples.revision(1)},
    "no table": {"revision": samples.revision(0)},
    "40 votes": {"votes": samples.votes(40)},
}
#: Texts whose keys begin so are read elsewhere, or are parts of what is exhibited whole; all others are
#: sentences that people are told in Slack, alone, in a thread or on a card.
NOT_SENTENCES = (
    *("audit", "ballot", "card", "checks", "cli", "config", "finding", "form", "form-delete-records"),
    *("form-deny-reason", "form-restore", "form-teardown", "form-unfreeze", "home", "list", "method"),
    *("form-change", "form-code", "form-enrol"),
    *("overview", "owner", "page", "plan", "prompt", "receipt", "remains", "sandbox", "settings", "step"),
    *("store", "story", "usage", "words", "worker"),
)
#: Sentences among the parts of a plan; a text for a file, among the sentences about backups.
ALSO, NEITHER = ("plan.broken", "plan.not-ours"), "backups.readme"
_SAMPLE: Mapping[str, str | int] = {
    "classes": '[["customers", {"missing": 3, "different": 1}], ["deals", {"parentless": 2}]]',
    "user": "U0BOB",
    "by": "U0BOB",
    "requester": "U0ALICE",
    "owner": "U0CAROL",
    "users": "U0BOB,U0CAROL",
    "channel": "C0DELETIONS",
    "state": "pending",
    "until": int(samples.AT.timestamp()),
    "at": int(samples.AT.timestamp()),
    "target": "crm",
    "n": 3,
    "number": 42,
    "text": "Ada <!channel>",
    "rows": 5_214,
    "limit": 5_000,
    "used": 4_900,
    "expected": 14,
}


@dataclass(frozen=True)
class Exhibit:
    """One thing to look at: a ``message``'s blocks and text, or a whole ``view`` (modal or home)."""

    room: str
    title: str
    text: str = ""
    blocks: tuple[Block, ...] = ()
    view: Mapping[str, Any] | None = None

    def shown(self) -> Sequence[Block]:
        """Its blocks, whatever it is."""
        return self.blocks if self.view is None else self.view["blocks"]


def exhibits(language: str) -> list[Exhibit]:
    """All of them, each look once, in an order in which a person may walk through."""
    config = sandbox_config()
    found = [
        *_requests(language),
        *_files(language),
        *_teardowns(language),
        *_lists(config, language),
        *_forms(config, language),
    ]
    found += _sentences(language)
    unique: dict[str, Exhibit] = {}
    for one in found:
        unique.setdefault(json.dumps([one.text, one.shown(), dict(one.view or {})], sort_keys=True), one)
    return list(unique.values())


def as_json(language: str) -> list[dict[str, Any]]:
    """The same for the page."""
    return [
        {"room": one.room, "title": one.title, "blocks": list(one.blocks), "text": one.text, "view": one.view}
        for one in exhibits(language)
    ]


def sandbox_config() -> Config:
    """The sandbox's own configuration, with nothing resolved."""
    with resources.as_file(resources.files("bot.sandbox") / "sandbox.yml") as path:
        return load(path, None)


def situated(state: State, situation: str) -> RequestView:
    """A request in a state and a situation."""
    return samples.view(state, **_copied(SITUATIONS[situation]))


def _copied(changes: Mapping[str, Any]) -> dict[str, Any]:
    return {key: dict(value) if key == "request" else value for key, value in changes.items()}


def _exhibit(room: str, title: str, rendered: Rendered) -> Exhibit:
    return Exhibit(room, title, rendered.text, tuple(rendered.blocks))


def _requests(language: str) -> Iterator[Exhibit]:
    for name, paint in PAINTERS.items():
        for situation in SITUATIONS:
            # Rows are never set aside.
            for state in (one for one in State if one is not State.SET_ASIDE):
                title = str(state) if situation == "plain" else f"{state}, {situation}"
                yield _exhibit(name, title, paint(situated(state, situation), language))
        for extreme, changes in EXTREMES.items():
            for state in (State.PENDING, State.RUNNING):
                title = f"{state}, {extreme}"
                yield _exhibit(name, title, paint(samples.view(state, **_copied(changes)), language))

    yield _exhibit("receipt", "rows handed over", receipt.render(samples.handed_over(), language))
    yield _exhibit("receipt", "named elsewhere still", receipt.render(samples.left_over(), language))
    for title, mode in (
        ("with what is in the way left out", "skip"),
        ("over what is different", "overwrite"),
    ):
        chosen = samples.chosen(State.PENDING, mode)
        yield _exhibit("plan", f"a restore, {title}", plan.render(chosen, 1, language))
        yield _exhibit("card", f"a restore, {title}", request_card.render(chosen, language))
    over = samples.chosen(State.SUCCEEDED, "overwrite")
    yield _exhibit("receipt", "a restore, over what was different", receipt.render(over, language))


def _files(language: str) -> Iterator[Exhibit]:
    """What is said beside the file with the whole plan."""
    view = samples.view(State.PENDING, revision=samples.revision(41))
    file = plan_file.written(view, language)
    assert file is not None
    said = plan_file.comment(view, file, language)
    yield _exhibit("plan file", plan_file.name(view), message(said, [section(said)]))


def _teardowns(language: str) -> Iterator[Exhibit]:
    for name, paint in PAINTERS.items():
        for state in State:
            yield _exhibit(f"teardown: {name}", str(state), paint(samples.teardown(state), language))
    builtin = samples.teardown(State.PENDING, builtin=True)
    yield _exhibit("teardown: plan", "by the system's own uninstall", plan.render(builtin, 1, language))
    back = samples.view(State.PENDING, request={"operation": Operation.RESTORE, "record": None})
    assert back.revision is not None
    content = {**back.revision.plan, "tables": [], "nullified": [], "system": samples.system(back=True)}
    back = replace(back, revision=replace(back.revision, plan=content))
    yield _exhibit("teardown: plan", "brought back", plan.render(back, 1, language))
    yield _exhibit("teardown: card", "brought back", request_card.render(back, language))
    yield from _jobs(language)


def _jobs(language: str) -> Iterator[Exhibit]:
    """What only the kind or the state of the job makes different."""
    rows, whole = samples.view(State.RUNNING), samples.teardown(State.RUNNING)
    for room, shown, title, changes in (
        ("card", rows, "past the point of no return", {"state": JobState.COMMITTING}),
        ("teardown: card", whole, "being put back", {"kind": JobKind.PUT_BACK}),
        ("teardown: card", whole, "stopped, going back", {"state": JobState.HALTING}),
        ("teardown: card", whole, "being removed", {"kind": JobKind.PURGE}),
        ("teardown: card", whole, "removal stopped", {"kind": JobKind.PURGE, "state": JobState.HALTING}),
        ("teardown: card", whole, "half removed", {"kind": JobKind.PURGE, "state": JobState.COMMITTING}),
        ("teardown: card", samples.teardown(State.HELD), "held half removed", {"kind": JobKind.PURGE}),
    ):
        assert shown.job is not None
        changed = replace(shown, job=replace(shown.job, **changes))
        yield _exhibit(room, title, request_card.render(changed, language))
    facts = {
        "certificate": "teardown-42.json",
        "removed": 310,
        "bytes": 52_400_000,
        "left": 2,
        "residue": [["holding uploads", "found"]],
        "remains": REMAINS.to_data(),
    }
    gone = samples.teardown(State.SUCCEEDED)
    assert gone.job is not None
    gone = replace(gone, job=replace(gone.job, facts=facts))
    yield _exhibit("teardown: receipt", "with its certificate", receipt.render(gone, language))


class _Books:
    """What the lists read."""

    def __init__(self, requests: Sequence[RequestView], kept: Sequence[KeptBackup]) -> None:
        self._requests, self._kept = requests, kept

    def kept_backups(self, target: str | None = None, limit: int = 20) -> Sequence[KeptBackup]:
        return [one for one in self._kept if target in (None, one.backup.target)][:limit]

    def frozen(self) -> Mapping[str, str]:
        return {"crm": "U0BOB"} if self._requests else {}

    def view(self, _request_id: int, /) -> RequestView | None:
        return None

    def by_number(self, _number: int, /) -> RequestView | None:
        return self._requests[0] if self._requests else None

    def open_requests(self) -> Sequence[RequestView]:
        return self._requests

    def private_text(self, _place: str, /) -> Answer | None:
        return None

    def wished(self, _token: str, _by: str, /) -> Wish | None:
        return None

    def follow_up(self, _request_id: int, _number: int, _actor: Actor, /) -> Wish | None:
        return None


def _kept() -> list[KeptBackup]:
    rows = samples.backup(id="b1")
    whole = samples.backup(id="b2", record=None)
    return [KeptBackup(rows, 42, "U0ALICE"), KeptBackup(whole, 41, "U0ALICE")]


def _lists(config: Config, language: str) -> Iterator[Exhibit]:
    some = [samples.view(state) for state in (State.PENDING, State.RUNNING, State.SET_ASIDE)]
    asked: dict[str, dict[str, str | int]] = {
        overview.HELP: {},
        overview.REQUESTS: {},
        overview.WHOAMI: {"person": "U0BOB", "roles": "dba"},
        overview.SHOW: {"number": 42, "full": 1},
        listings.BACKUPS: {},
        listings.TARGETS: {},
        listings.POLICY: {},
    }
    for books, what in ((_Books(some, _kept()), ""), (_Books((), ()), ", empty")):
        for key, params in asked.items():
            answer = Answer(key, params)
            shown = overview.render(answer, config, books, language) or listings.render(
                answer, config, books, language
            )
            if shown is not None:
                yield _exhibit("lists", key.partition(":")[2] + what, shown)
    about = overview.about_person(config, "U0BOB", frozenset({"dba"}), language)
    nobody = overview.about_person(config, "U0FRANK", frozenset(), language)
    for title, requests, you in (("with requests", some, about), ("empty", [], nobody)):
        view = home.render(requests, you, overview.help_text(config, language), language)
        yield Exhibit("home", title, view=view)


def _forms(config: Config, language: str) -> Iterator[Exhibit]:
    typed = Deletion(target="crm", record="customer", values=("ada@example.com",), reason="GDPR 4711")
    empty = Restore(reference=None, number=None, into=None, reason="")
    names = {"U0ALICE": "Alice Support"}
    for title, view in {
        "deletion": forms.deletion(config, typed, "C0DELETIONS", language),
        "restore": forms.restore(empty, "C0DELETIONS", language, _kept(), names),
        "restore, nothing kept": forms.restore(empty, "C0DELETIONS", language),
        "teardown": forms.teardown(config, "crm", "replaced", "C0DELETIONS", language),
        "unfreeze": forms.unfreeze(config, "crm", "", "C0DELETIONS", language),
        "undo": forms.undo(config, Undo(number=43), "C0DELETIONS", language),
        "clear": forms.clear(Undo(number=42), "C0DELETIONS", language),
        "deny": forms.deny(7, "C0DELETIONS", language),
        "code": proof_forms.ask(samples.view(), False, "C0DELETIONS", language),
        "code, highest tier": proof_forms.ask(samples.view(), True, "C0DELETIONS", language),
        "enrolment": proof_forms.enrol("C0DELETIONS", language),
        "new phone": proof_forms.change("U0BOB", "C0DELETIONS", language),
    }.items():
        yield Exhibit("forms", title, view=view)
        for field, wrong in (forms.problems(config, view) or proof_forms.problems(view)).items():
            said = replies.private(Answer(wrong.key, wrong.params), language)
            yield _exhibit("forms: told beside a field", f"{title}, sent empty: {field}", said)


def _sentences(language: str) -> Iterator[Exhibit]:
    for key in sorted(catalogue("en")[0]):
        about, _, rest = key.partition(".")
        told = about not in NOT_SENTENCES and "." not in rest and key != NEITHER
        if told or key in ALSO:
            yield _exhibit(f"said: {about}", key, replies.private(Answer(key, _filled(key)), language))
    deny = Answer("vote.denied", _filled("vote.denied"), button="deny-reason", value="7")
    yield _exhibit("said: vote", "with a button", replies.private(deny, language))
    gone = "operations.no-match"
    anew = Answer(gone, _filled(gone), button="try-again", value="0a" * 12)
    yield _exhibit("said: operations", "with a button", replies.private(anew, language))
    in_the_way = "restore.different"
    either = Answer(in_the_way, _filled(in_the_way), button="restore-overwrite", value="0a" * 12)
    yield _exhibit("said: restore", "with what can be chosen", replies.private(either, language))


def _filled(key: str) -> dict[str, str | int]:
    strings = catalogue("en")[0][key].string
    texts = strings if isinstance(strings, list | tuple) else [strings]
    names = {name: form for text in texts for _, name, form, _ in Formatter().parse(text or "") if name}
    if len(texts) > 1:
        names["n"] = ","
    return {name: _SAMPLE.get(name, 12 if form else f"({name})") for name, form in names.items()}
