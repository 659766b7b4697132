"""Every way in, times everybody who may not come in (Kargo, CVE-2026-27111: a new route forgot the check).

The list of the ways in is the door's own: one that has no row here fails the test. Each is tried by somebody who would
be entitled, were it not for what Slack says about them; and, to show that the row means something, by that very person
as they are.
"""

import itertools
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from bot.approvals import again, copies, follow_ups
from bot.config.types import Config
from bot.errors import NotFound
from bot.model.choices import RestorePreview, RowClasses
from bot.model.doors import Wish
from bot.model.jobs import JobKind, JobState
from bot.model.leftovers import CopyPart, Offer
from bot.model.remains import Remain, Remains
from bot.model.requests import Operation, State
from bot.operations.conflicts import Conflict
from bot.proofs.tickets import issue
from handlers import door
from handlers.slack import SlackIsSilent
from handlers.views import forms, proof_forms
from tests.fakes.codes import BY_CODE, Phones
from tests.fakes.rooms import LABEL, REASON, SETTINGS, VALUE, config, plan_of, planned, snapshot
from tests.fakes.slack import BOT, no
from tests.unit.handlers.doorway import Doorway, opened

MANIFEST = Path(__file__).parents[3] / "manifest.yml"
SYSTEM = {
    **SETTINGS["targets"]["crm"],
    "host": "here",
    "roots": ["/srv"],
    "files": [{"name": "uploads", "path": "/srv/uploads"}],
}
TEARDOWN = {
    "name": "teardown",
    "when": {"operation": "teardown", "target": "crm"},
    "request": ["support"],
    "approve": ["1 of dba", "1 of data-owner"],
}
HOUSE = config(targets={**SETTINGS["targets"], "crm": SYSTEM}, rules=[*SETTINGS["rules"], TEARDOWN])
OURS = ("inbox", "outbox", "erasable", "audit_log", "reactions", "processes")

Sent = Callable[[Doorway, "Scene", str, "Person"], object]


@dataclass(frozen=True)
class Person:
    """Who comes. ``user``: somebody else than the entitled one; ``flags``: what Slack says about them."""

    user: str | None = None
    flags: Mapping[str, Any] | None = None
    team: str = "T0ACME"
    trouble: Exception | None = None


@dataclass
class Scene:
    """What there is to click on."""

    request: int = 0
    card: str = ""
    ballot: str = ""
    digest: str = ""
    phones: Phones | None = None
    ticket: str = ""
    token: str = ""

    @property
    def both(self) -> str:
        return f"{self.request}.1"


@dataclass(frozen=True)
class Way:
    """One way in: what is there first, what is sent, and who may do it.

    ``shows``: it changes nothing for anybody. ``open_to``: for whom it is open all the same. ``silent``: who is turned
    away gets no sentence, because nobody waits for one. ``then``: who comes after them, where the entitled person's
    own reaction is remembered as there already.
    """

    before: Callable[[Doorway], Scene]
    send: Sent
    by: str
    shows: bool = False
    open_to: frozenset[str] = frozenset()
    silent: bool = False
    then: str = ""
    settings: Config = HOUSE


def nothing(_door: Doorway) -> Scene:
    return Scene()


def pending(doorway: Doorway) -> Scene:
    request_id, card, ballot = doorway.pending()
    return Scene(request_id, card["ts"], ballot["ts"])


def approved(doorway: Doorway) -> Scene:
    scene = pending(doorway)
    for user in ("U0DAN", "U0CAROL"):
        doorway.house.vote(scene.request, user)
    return scene


def wished(doorway: Doorway) -> Scene:
    """Dan has tapped, and his phone shows a code."""
    scene = pending(doorway)
    scene.phones = Phones(doorway.house, "U0DAN")
    doorway.react(scene.ballot, "U0DAN")
    revision = doorway.house.view(scene.request).revision
    assert revision is not None
    scene.digest = revision.digest
    return scene


def with_a_ticket(doorway: Doorway) -> Scene:
    """Dan holds a ticket that an operator has handed over."""
    phones = Phones(doorway.house)
    ticket, phones.handed["U0DAN"] = issue(doorway.house.entropy, doorway.house.now)
    with doorway.house.store.transact() as work:
        doorway.house.safe.keep_ticket(work, "U0DAN", ticket, doorway.house.now)
    return Scene(phones=phones, ticket=phones.handed["U0DAN"].ticket)


def voted(doorway: Doorway) -> Scene:
    scene = pending(doorway)
    doorway.react(scene.ballot, "U0DAN")
    return scene


def voted_by_two(doorway: Doorway) -> Scene:
    scene = voted(doorway)
    doorway.react(scene.ballot, "U0BOB")
    return scene


def denied(doorway: Doorway) -> Scene:
    scene = pending(doorway)
    doorway.house.deny(scene.request, "U0DAN")
    return scene


def asked_in_vain(doorway: Doorway) -> Scene:
    house = doorway.house
    with house.store.transact() as work:
        refusal = NotFound("operations.no-match", target="crm", table="customers", n=1)
        answer = again.offered(house.ground, work, house.wish(), "U0ALICE", refusal, house.now)
    return Scene(token=answer.value or "")


def stuck(doorway: Doorway) -> Scene:
    """A restore that something stands in the way of, offered again with what can be chosen."""
    house = doorway.house
    backed_up(doorway)
    wish = Wish(Operation.RESTORE, None, None, (), "why", number=1)
    with house.store.transact() as work:
        preview = RestorePreview((RowClasses("customers", 1, 0, 1, 0, 0),), ())
        refusal = Conflict("restore.different", preview, target="crm", table="customers", n=1)
        answer = again.offered(house.ground, work, wish, "U0ALICE", refusal, house.now)
    return Scene(token=answer.value or "")


def frozen(doorway: Doorway) -> Scene:
    with doorway.house.store.transact() as work:
        doorway.house.lifecycle.freeze(work, "crm", None, doorway.house.actor("U0DAN"), doorway.house.now)
    return Scene()


def aside(doorway: Doorway, state: State = State.SET_ASIDE) -> Scene:
    scene = approved(doorway)
    with doorway.house.store.transact() as work:
        work.permits.void(scene.request)
        work.requests.save(scene.request, State.APPROVED, state=state, operation=Operation.TEARDOWN)
    return scene


def half_removed(doorway: Doorway) -> Scene:
    scene = aside(doorway, State.HELD)
    with doorway.house.store.transact() as work:
        work.jobs.add("purge", scene.request, 1, "crm", JobKind.PURGE)
        work.jobs.save("purge", JobState.QUEUED, state=JobState.HELD, transaction="")
    return scene


def in_parts(doorway: Doorway) -> Scene:
    scene = approved(doorway)
    with doorway.house.store.transact() as work:
        work.connection.exec_driver_sql(
            'UPDATE revisions SET plan = json_set(plan, \'$.segments\', json(\'[[1, "a"], [1, "b"], [1, "c"]]\'))'
        )
        work.jobs.add("parts", scene.request, 1, "crm", JobKind.RUN)
        work.jobs.save("parts", JobState.QUEUED, state=JobState.RUNNING)
        work.requests.save(scene.request, State.APPROVED, state=State.RUNNING)
    return scene


def backed_up(doorway: Doorway) -> Scene:
    scene = approved(doorway)
    house = doorway.house
    with house.store.transact() as work:
        work.connection.exec_driver_sql(
            "INSERT INTO backups VALUES ('b1', ?, 'crm', 'customer', 'x', 1, 1, 'kept', 'cs1.x', 1, ?, 1)",
            (scene.request, 2**50),
        )
        work.requests.save(scene.request, State.APPROVED, state=State.SUCCEEDED)
    return scene


def brought_back(doorway: Doorway) -> Scene:
    scene = approved(doorway)
    with doorway.house.store.transact() as work:
        work.permits.void(scene.request)
        work.requests.save(scene.request, State.APPROVED, state=State.SUCCEEDED, operation=Operation.RESTORE)
    return scene


def torn_down(doorway: Doorway) -> Scene:
    """A system that is gone, and has left something."""
    scene = approved(doorway)
    remains = Remains((Remain("cron", "/etc/cron.d/crm", 1, ""),)).to_data()
    with doorway.house.store.transact() as work:
        work.permits.void(scene.request)
        work.jobs.add("purge", scene.request, 1, "crm", JobKind.PURGE)
        work.jobs.save("purge", JobState.QUEUED, state=JobState.DONE, facts={"remains": remains})
        work.requests.save(scene.request, State.APPROVED, state=State.SUCCEEDED, operation=Operation.TEARDOWN)
    return scene


def removed(doorway: Doorway) -> Scene:
    """What else holds copies stands on the receipt."""
    house = doorway.house
    plan = replace(plan_of(), copies=(CopyPart("Search index", "dba"),))
    request_id = house.file()
    house.plan(request_id, replace(planned(), data=plan.to_data()))
    with house.store.transact() as work:
        copies.begin(work, house.ground.lock(work, request_id), house.now)
        work.outbox.want(
            f"receipt:{request_id}", "receipt", "C0DELETIONS", house.now, request_id=request_id, revision=1
        )
    doorway.deliver()
    return Scene(request_id, doorway.slack.of_kind("receipt")[-1]["ts"])


def left_over(doorway: Doorway) -> Scene:
    """Another customer still names the one who is gone."""
    scene = removed(doorway)
    with doorway.house.store.transact() as work:
        request = doorway.house.ground.lock(work, scene.request)
        follow_ups.keep(work, request, [Offer(0, "customer", ("17",))], doorway.house.now)
    return scene


def ticked(doorway: Doorway) -> Scene:
    scene = removed(doorway)
    with doorway.house.store.transact() as work:
        doorway.house.lifecycle.tick(
            work, scene.request, 0, doorway.house.actor("U0BOB"), doorway.house.now, done=True
        )
    return scene


def command(name: str, text: str = "") -> Sent:
    return lambda doorway, scene, user, who: doorway.command(
        name, text.format(number=1), user, team_id=who.team
    )


def word(name: str, rest: str = "") -> Sent:
    return command("/countersign", f"{name} {rest}")


def click(action: str, on: str, value: str = "{0.request}") -> Sent:
    return lambda doorway, scene, user, who: doorway.click(
        action,
        value.format(scene),
        getattr(scene, on),
        user,
        person={"id": user, "team_id": who.team},
    )


def form(callback: str, **values: str) -> Sent:
    return lambda doorway, scene, user, who: doorway.submit(
        callback,
        values,
        user,
        carried={"channel": "C0ASKING", "request": scene.request, "undoes": 1},
        person={"id": user, "team_id": who.team},
    )


def sealed_form(callback: str) -> Sent:
    """Dan's own code, or ticket, in whoever's hands; the worker looks at once."""

    def send(doorway: Doorway, scene: Scene, user: str, who: Person) -> None:
        assert scene.phones is not None
        values = {"code": scene.phones.code("U0DAN"), **({"ticket": scene.ticket} if scene.ticket else {})}
        about = {"request": scene.request, "revision": 1, "digest": scene.digest} if scene.request else {}
        doorway.submit(
            callback, values, user, {"channel": "D0DAN", **about}, {"id": user, "team_id": who.team}
        )
        doorway.house.prover.sweep(doorway.house.clock)

    return send


def new_phone(doorway: Doorway) -> Scene:
    """Dan's new phone waits for somebody else to confirm it."""
    phones = Phones(doorway.house, "U0DAN", "U0CAROL")
    phones.redeem("U0DAN", phones.ticket("U0DAN"))
    return Scene(phones=phones)


def confirm(doorway: Doorway, scene: Scene, user: str, who: Person) -> None:
    """Carol's code, in whoever's hands."""
    assert scene.phones is not None
    values = {"code": scene.phones.code("U0CAROL")}
    carried = {"channel": "C0DELETIONS", "subject": "U0DAN"}
    doorway.submit(proof_forms.CHANGE, values, user, carried, {"id": user, "team_id": who.team})
    doorway.house.prover.sweep(doorway.house.clock)


def cancel(doorway: Doorway, scene: Scene, user: str, who: Person) -> None:
    click("change-cancel", "card", "U0DAN")(doorway, scene, user, who)
    doorway.house.prover.sweep(doorway.house.clock)


def react(added: bool) -> Sent:
    """Each time later than the time before."""
    later = itertools.count(900)
    return lambda doorway, scene, user, who: doorway.react(
        scene.ballot, user, added=added, event_ts=f"{next(later)}.0", user_team=who.team
    )


def hint(kind: str, **more: Any) -> Sent:
    return lambda doorway, scene, user, who: doorway.event({"type": kind, "user": user, **more})


ANY_ROLE = frozenset({"of another role"})
ANYBODY = frozenset({"of another role", "of no role"})
EVERYBODY = frozenset({"everybody"})
DELETION, WHY = f"crm customer {VALUE} -- {REASON}", "-- why"

WAYS: dict[str, Way] = {
    "command /delete-records": Way(nothing, command("/delete-records", DELETION), "U0ALICE"),
    "command /restore": Way(backed_up, command("/restore", f"#1 {WHY}"), "U0ALICE"),
    "command /teardown": Way(nothing, command("/teardown", f"crm {WHY}"), "U0ALICE"),
    "word ": Way(nothing, word(""), "U0ALICE", shows=True, open_to=EVERYBODY),
    "word help": Way(nothing, word("help"), "U0ALICE", shows=True, open_to=EVERYBODY),
    "word plan": Way(nothing, word("plan", f"crm customer {VALUE}"), "U0ALICE"),
    "word requests": Way(pending, word("requests"), "U0ALICE", shows=True, open_to=ANYBODY),
    "word show": Way(pending, word("show", "1"), "U0ALICE", shows=True, open_to=ANYBODY),
    "word backups": Way(backed_up, word("backups"), "U0ALICE", shows=True, open_to=ANYBODY),
    "word targets": Way(nothing, word("targets"), "U0ALICE", shows=True, open_to=ANYBODY),
    "word policy": Way(nothing, word("policy"), "U0ALICE", shows=True, open_to=ANYBODY),
    "word whoami": Way(nothing, word("whoami"), "U0ALICE", shows=True, open_to=EVERYBODY),
    "word cancel": Way(pending, word("cancel", "1"), "U0ALICE"),
    "word stop": Way(approved, word("stop", "1"), "U0DAN", open_to=ANY_ROLE),
    "word freeze": Way(pending, word("freeze", f"crm {WHY}"), "U0DAN", open_to=ANY_ROLE),
    "word unfreeze": Way(frozen, word("unfreeze", f"crm {WHY}"), "U0ALICE"),
    "word put-back": Way(aside, word("put-back", "1"), "U0DAN"),
    "word go-on": Way(half_removed, word("go-on", "1"), "U0ALICE"),
    "word pause": Way(in_parts, word("pause", "1"), "U0DAN", open_to=ANY_ROLE),
    "word teardown": Way(nothing, word("teardown", f"crm {WHY}"), "U0ALICE"),
    "word restore": Way(backed_up, word("restore", f"#1 {WHY}"), "U0ALICE"),
    "word undo": Way(brought_back, word("undo", f"1 {WHY}"), "U0ALICE"),
    "word clear": Way(torn_down, word("clear", f"1 {WHY}"), "U0ALICE"),
    "click clear": Way(torn_down, click("clear", "card"), "U0ALICE", shows=True, open_to=ANYBODY),
    "click undo": Way(brought_back, click("undo", "card"), "U0ALICE", shows=True, open_to=ANYBODY),
    "click vote-approve": Way(pending, click("vote-approve", "ballot", "{0.both}"), "U0DAN"),
    "click vote-deny": Way(pending, click("vote-deny", "ballot", "{0.both}"), "U0DAN"),
    "click vote-withdraw": Way(voted, click("vote-withdraw", "ballot", "{0.both}"), "U0DAN"),
    "click deny-reason": Way(denied, click("deny-reason", "ballot"), "U0DAN", shows=True, open_to=ANYBODY),
    "click cancel": Way(pending, click("cancel", "card"), "U0ALICE"),
    "click stop": Way(approved, click("stop", "card"), "U0DAN", open_to=ANY_ROLE),
    "click put-back": Way(aside, click("put-back", "card"), "U0DAN"),
    "click go-on": Way(half_removed, click("go-on", "card"), "U0ALICE"),
    "click pause": Way(in_parts, click("pause", "card"), "U0DAN", open_to=ANY_ROLE),
    "click restore-skip": Way(stuck, click("restore-skip", "card", "{0.token}"), "U0ALICE"),
    "click restore-overwrite": Way(stuck, click("restore-overwrite", "card", "{0.token}"), "U0ALICE"),
    "click try-again": Way(asked_in_vain, click("try-again", "card", "{0.token}"), "U0ALICE", shows=True),
    "click restore": Way(backed_up, click("restore", "card"), "U0ALICE", shows=True, open_to=ANYBODY),
    "click follow-up": Way(left_over, click("follow-up", "card", "{0.request}.0"), "U0ALICE", shows=True),
    "click copy-done": Way(removed, click("copy-done", "card", "{0.request}.0"), "U0DAN"),
    "click copy-reopen": Way(ticked, click("copy-reopen", "card", "{0.request}.0"), "U0DAN"),
    "word enrol": Way(nothing, word("enrol"), "U0DAN", shows=True, open_to=ANYBODY),
    "click enrol": Way(wished, click("enrol", "ballot"), "U0DAN", shows=True, open_to=ANYBODY, settings=BY_CODE),
    "click code-enter": Way(wished, click("code-enter", "ballot", "{0.both}"), "U0DAN", shows=True, settings=BY_CODE),
    "click change-confirm": Way(new_phone, click("change-confirm", "card", "U0DAN"), "U0CAROL", shows=True, settings=BY_CODE),
    "click change-cancel": Way(new_phone, cancel, "U0CAROL", open_to=frozenset({"of another role"}), settings=BY_CODE),
    f"form {proof_forms.CHANGE}": Way(new_phone, confirm, "U0CAROL", settings=BY_CODE),
    f"form {proof_forms.CODE}": Way(wished, sealed_form(proof_forms.CODE), "U0DAN", settings=BY_CODE),
    f"form {proof_forms.ENROL}": Way(with_a_ticket, sealed_form(proof_forms.ENROL), "U0DAN", settings=BY_CODE),
    f"form {forms.DELETE}": Way(
        nothing, form(forms.DELETE, target="crm", record="customer", values=VALUE, reason=REASON), "U0ALICE"
    ),
    f"form {forms.RESTORE}": Way(backed_up, form(forms.RESTORE, backup="#1", reason=REASON), "U0ALICE"),
    f"form {forms.UNFREEZE}": Way(frozen, form(forms.UNFREEZE, target="crm", reason=REASON), "U0ALICE"),
    f"form {forms.TEARDOWN}": Way(nothing, form(forms.TEARDOWN, target="crm", reason=REASON), "U0ALICE"),
    f"form {forms.UNDO}": Way(brought_back, form(forms.UNDO, reason=REASON), "U0ALICE"),
    f"form {forms.CLEAR}": Way(torn_down, form(forms.CLEAR, reason=REASON), "U0ALICE"),
    f"form {forms.DENY}": Way(denied, form(forms.DENY, reason=REASON), "U0DAN"),
    "event reaction_added": Way(pending, react(True), "U0DAN", then="U0BOB"),
    "event reaction_removed": Way(voted_by_two, react(False), "U0DAN", silent=True, then="U0BOB"),
    "event app_home_opened": Way(pending, hint("app_home_opened", tab="home"), "U0ALICE", shows=True, silent=True),
    "event user_change": Way(pending, hint("user_change"), "U0ALICE", shows=True, silent=True),
    "event subteam_members_changed": Way(pending, hint("subteam_members_changed"), "U0ALICE", shows=True, silent=True),
    "event channel_shared": Way(pending, hint("channel_shared", channel="C0DELETIONS"), "U0ALICE", shows=True, silent=True),
    "event channel_unshared": Way(pending, hint("channel_unshared", channel="C0DELETIONS"), "U0ALICE", shows=True, silent=True),
    "event member_joined_channel": Way(pending, hint("member_joined_channel", channel="C0DELETIONS"), "U0ALICE", shows=True, silent=True),
}  # fmt: skip

PERSONS: dict[str, Person] = {
    "of no role": Person("U0ZOE"),
    "of another role": Person("U0FRED"),
    "a bot": Person(flags={"is_bot": True}),
    "Slackbot": Person("USLACKBOT"),
    "the app itself": Person(BOT, {"is_bot": True}),
    "a guest": Person(flags={"is_restricted": True}),
    "a guest of one channel": Person(flags={"is_ultra_restricted": True}),
    "somebody of another workspace": Person(flags={"team_id": "T0OTHER"}),
    "somebody over Slack Connect": Person(flags={"is_stranger": True}),
    "somebody whose payload names another workspace": Person(team="T0OTHER"),
    "somebody deactivated": Person(flags={"deleted": True}),
    "somebody Slack does not know": Person(trouble=no("user_not_found")),
    "somebody while Slack does not answer": Person(trouble=SlackIsSilent("URLError")),
}
OWN = ("click vote-approve", "click vote-deny", "event reaction_added", f"form {proof_forms.CODE}")


@contextmanager
def at(folder: Path, settings: Config) -> Iterator[Doorway]:
    with opened(folder, settings) as found:
        yield found


def inventory() -> set[str]:
    events = YAML(typ="safe").load(MANIFEST)["settings"]["event_subscriptions"]["bot_events"]
    return {
        *(f"command {name}" for name in door.COMMANDS),
        *(f"word {name}" for name in door.WORDS),
        *(f"click {name}" for name in door.CLICKS),
        *(f"form {name}" for name in door.FORMS),
        *(f"event {name}" for name in events),
    }


def test_every_way_in_has_its_row() -> None:
    assert inventory() == set(WAYS)


def said(doorway: Doorway, user: str) -> int:
    """How many private sentences there are for somebody, sent or waiting."""
    return len([row for row in doorway.house.rows("outbox") if row["user"] == user])


def entries(doorway: Doorway) -> list[dict[str, Any]]:
    return [json.loads(one.entry) for one in doorway.house.log()]


def those_outside(name: str) -> list[str]:
    """Everybody who must not come in by this way."""
    shut = [who for who in PERSONS if who not in WAYS[name].open_to]
    return [*shut, "the requester of it"] if name in OWN else shut


#: Who has heard once about a ballot why a reaction does not count hears it no more: each of them gets a new one.
CASES = [
    (name, who)
    for name in WAYS
    for who in ([[one] for one in those_outside(name)] if name == "event reaction_added" else [those_outside(name)])
]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "persons"), CASES, ids=[f"{name}-{who[0] if len(who) == 1 else 'all'}" for name, who in CASES]
)
def test_nobody_comes_in_but_who_is_entitled(tmp_path: Path, name: str, persons: list[str]) -> None:
    with at(tmp_path, WAYS[name].settings) as doorway:
        scene = WAYS[name].before(doorway)
        doorway.deliver()
        for who in persons:
            turned_away(doorway, name, who, scene)
        comes_in(doorway, WAYS[name], scene)


def turned_away(doorway: Doorway, name: str, who: str, scene: Scene) -> None:
    way, person = WAYS[name], PERSONS.get(who, Person("U0ALICE"))
    user = person.user or way.by
    doorway.slack.people[user] = dict(person.flags or {})
    doorway.people.forget()
    if person.trouble is not None:
        doorway.slack.fail("users.info", person.trouble)
    before, log, sentences = snapshot(doorway.house, *OURS), entries(doorway), said(doorway, user)
    waiting, shown = wanted(doorway), len(doorway.slack.messages)
    doorway.slack.calls.clear()
    way.send(doorway, scene, user, person)
    assert snapshot(doorway.house, *OURS) == before, who
    assert {one["kind"] for one in entries(doorway)[len(log) :]} <= {
        "refused",
        "vote-refused",
        "code-refused",
        "enrol-refused",
    }, who
    assert wanted(doorway) == waiting, who
    assert doorway.slack.called("views.open") == [], who
    assert LABEL not in json.dumps(doorway.slack.called("views.publish")), who
    # What we put on a ballot ourselves is no click; what nobody waits for needs no answer.
    if not way.silent and not (who == "the app itself" and name.startswith("event")):
        assert said(doorway, user) == sentences + 1, who
        sentence = doorway.last(user)
        assert way.shows or sentence.endswith((".", "`")), (who, sentence)
        assert not any(secret in sentence for secret in (LABEL, VALUE, REASON)), who
    assert not any("thread_ts" in one for one in doorway.slack.messages[shown:]), who
    doorway.slack.trouble.clear()
    del doorway.slack.people[user]
    doorway.people.forget()


def comes_in(doorway: Doorway, way: Way, scene: Scene) -> None:
    """Whoever was there before them, the way is open for whoever is entitled."""
    user = way.then or way.by
    before, log, sentences = snapshot(doorway.house, *OURS), entries(doorway), said(doorway, user)
    doorway.slack.calls.clear()
    way.send(doorway, scene, user, Person())
    changed = snapshot(doorway.house, *OURS) != before or len(entries(doorway)) > len(log)
    assert changed is not way.shows
    shown = doorway.slack.called("views.open") or doorway.slack.called("views.publish")
    assert said(doorway, user) == sentences + 1 or shown or way.silent
    assert [one for one in entries(doorway)[len(log) :] if "refused" in one["kind"]] == []


def wanted(doorway: Doorway) -> dict[str, int]:
    """Every message of ours that others see, and how often it was to be drawn."""
    return {row["subject"]: row["wanted"] for row in doorway.house.rows("outbox") if row["user"] is None}
