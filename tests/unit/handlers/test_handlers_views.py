"""Every message in every situation: within Slack's limits, pinging nobody, forgetting what must be forgotten."""

import itertools
import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.model.choices import Mode, RestoreChoice
from bot.model.doors import Answer, KeptBackup, Personal, RequestView, Wish
from bot.model.jobs import JobKind, JobState
from bot.model.people import Actor
from bot.model.quorums import SlotSpec, simple
from bot.model.requests import (
    CLOSED,
    Choice,
    Freeze,
    Operation,
    Proof,
    Revision,
    RuleSpec,
    State,
    Vote,
)
from bot.sandbox import gallery
from bot.sandbox import samples as views
from bot.sandbox.slack.limits import UPDATE_TEXT, check_message, check_view
from handlers import listings, overview, replies, restoring
from handlers.views import ballot, forms, home, mrkdwn, plan, receipt, request_card
from handlers.views.blocks import Rendered
from tests.fakes.rooms import config

SITUATIONS: dict[str, Any] = {
    **gallery.SITUATIONS,
    "an outcome without words": {"request": {"outcome": "outcome.from-the-future"}},
}


def _in_english(paint: gallery.Painter, view: RequestView) -> Rendered:
    return paint(view, "en")


PAINTERS: dict[str, Callable[[RequestView], Rendered]] = {
    name: partial(_in_english, paint) for name, paint in gallery.PAINTERS.items()
}
ACTIVE = re.compile(r"<(?!@[UW][A-Z0-9]+>|#[CDG][A-Z0-9]+>|!date\^[0-9]+\^[^<>|]*\|[^<>|]*>)")


def texts(rendered: Rendered) -> str:
    return rendered.text + json.dumps(rendered.blocks, ensure_ascii=False)


def check(rendered: Rendered) -> None:
    """As Slack would, and that no markup but ours is alive in it."""
    blocks = rendered.stamped("card:7")
    check_message(blocks, rendered.text, text_most=UPDATE_TEXT)
    assert len({block["block_id"] for block in blocks}) == len(blocks)
    assert rendered.text
    assert not ACTIVE.search(texts(rendered)), ACTIVE.search(texts(rendered))


@pytest.mark.parametrize("painter", PAINTERS)
def test_every_message_in_every_situation_is_one_that_slack_takes(painter: str) -> None:
    for state, situation in itertools.product(State, SITUATIONS):
        check(PAINTERS[painter](views.view(state, **SITUATIONS[situation])))


@pytest.mark.parametrize("painter", PAINTERS)
@pytest.mark.parametrize("state", sorted(CLOSED))
def test_a_closed_request_shows_nothing_personal(painter: str, state: State) -> None:
    shown = texts(PAINTERS[painter](views.view(state)))
    for personal in (views.LABEL, views.HEIR, views.REASON, "ada@example.com"):
        assert personal not in shown


@pytest.mark.parametrize("painter", PAINTERS)
def test_the_notification_line_is_never_personal(painter: str) -> None:
    text = PAINTERS[painter](views.view(State.PENDING)).text
    assert views.LABEL not in text
    assert views.REASON not in text


NASTY = st.one_of(
    st.sampled_from(
        [
            "<!channel>",
            "<!here|x>",
            "@channel",
            "<!subteam^S0DBA>",
            "<@U0BOB>",
            "`code`",
            "*bold* _it_ ~no~",
            "&lt;!channel&gt;",
            "\u202eevil",
            "a\nb\r\n> c",
            "```",
            "<https://evil.example|ok>",
            "\x00\x1b[2J",
            "x" * 5000,
            "<" * 800,
        ]
    ),
    st.text(max_size=300),
)


@settings(deadline=None)  # other suites share the machine
@given(NASTY, NASTY, NASTY, NASTY)
def test_nothing_from_outside_can_ping_format_or_hide(label: str, value: str, reason: str, name: str) -> None:
    nasty = views.view(
        State.PENDING,
        request={"target": name or "crm", "record": value},
        personal=Personal(label, (value,) * 9, reason, reason),
        revision=Revision(
            7,
            1,
            "d" * 64,
            {
                **views.plan(),
                "tables": [[name, 1, ""]] * 60,
                "nullified": [[label, 1, ""]] * 30,
                "way_back": label,
            },
            RuleSpec(name, (), (simple(SlotSpec(1, reason)),), 1, 1, 0),
            views.AT,
        ),
        frozen=Freeze(name, value, views.AT),
        support=label,
        environment=reason,
    )
    for painter in PAINTERS.values():
        rendered = painter(nasty)
        check(rendered)
        shown = texts(rendered)
        assert not re.search("[\u202a-\u202e\u2066-\u2069\x00\x1b]", shown)
        assert not re.search("@(channel|here|everyone)", shown, re.IGNORECASE)
    answered = replies.private(
        Answer("vote.denied-because", {"number": 1, "user": "U0BOB", "text": label}), "en"
    )
    check(answered)


def test_a_customer_called_channel_pings_nobody_and_is_still_readable() -> None:
    shown = texts(request_card.render(views.view(personal=Personal("<!channel>", (), "why")), "en"))
    assert "`&lt;!channel&gt;`" in shown


def test_a_label_cannot_get_out_of_its_backticks() -> None:
    assert mrkdwn.code("`*x*`").count("`") == 2


def test_what_is_cut_says_so() -> None:
    assert mrkdwn.cut("x" * 100, 20) == "xxxxxxxxxxxxx… (+87)"
    assert mrkdwn.cut("short", 20) == "short"
    many = views.view(personal=Personal("Ada", tuple(f"v{n}" for n in range(9)), "why"))
    assert "… (4 more)" in texts(request_card.render(many, "en"))


def test_a_plan_of_sixty_tables_shows_forty_and_counts_the_rest() -> None:
    data = {**views.plan(tables=60)}
    shown = texts(
        plan.render(views.view(revision=Revision(7, 1, "d" * 64, data, views.RULE, views.AT)), 1, "en")
    )
    assert "table_39" in shown
    assert "table_40" not in shown
    assert "… and 20 tables more, 80 rows" in shown


def test_the_card_says_who_is_missing() -> None:
    shown = texts(request_card.render(views.view(), "en"))
    assert "✓ <@U0BOB> (dba)" in shown
    assert "Needs 2 more data-owner" in shown


@pytest.mark.parametrize("paint", ["card", "ballot"])
def test_while_denied_nothing_is_missing_and_it_says_who_can_take_it_back_until_when(paint: str) -> None:
    shown = texts(PAINTERS[paint](views.view(State.DENIED)))
    assert "Needs" not in shown
    assert "All approvals are there" not in shown
    assert re.search(r"final after <!date.*Until then <@U0CAROL> can take it back", shown)


def test_the_card_of_a_teardown_that_is_over_does_not_repeat_its_receipt() -> None:
    view = views.teardown(State.SUCCEEDED)
    shown = texts(request_card.render(view, "en"))
    assert (
        f"{len(view.steps)} of {len(view.steps)} steps done. The receipt in the thread lists them." in shown
    )
    assert "✓ Lock" not in shown
    assert shown.count("✓ ") == len(view.votes)
    assert texts(receipt.render(view, "en")).count("✓ ") == len(view.steps)


def _purging() -> RequestView:
    view = views.teardown(State.RUNNING)
    assert view.job is not None
    return replace(view, job=replace(view.job, kind=JobKind.PURGE))


@pytest.mark.parametrize(
    ("view", "told"),
    [
        (views.view(State.APPROVED), "nothing is changed"),
        (views.view(State.RUNNING), "nothing is changed"),
        (views.view(State.HELD), "closed as it stands"),
        (views.teardown(State.APPROVED), "nothing is changed"),
        (views.teardown(State.RUNNING), "what was done so far is put back"),
        (views.teardown(State.HELD), "closed as it stands"),
        (
            _purging(),
            "everything stays set aside",
        ),
    ],
)
def test_stop_says_what_it_does_here(view: RequestView, told: str) -> None:
    (asked,) = [
        element["confirm"]["text"]["text"]
        for block in request_card.render(view, "en").blocks
        for element in block.get("elements", ())
        if element.get("action_id") == "stop"
    ]
    assert told in asked


def test_approved_without_a_worker_says_so() -> None:
    shown = texts(request_card.render(views.view(State.APPROVED, worker_alive=False), "en"))
    assert "Approved, but no worker for crm is running" in shown


@pytest.mark.parametrize(
    ("state", "cancel", "stop"),
    [
        (State.PENDING, True, False),
        (State.APPROVED, True, True),
        (State.DENIED, True, False),
        (State.RUNNING, False, True),
        (State.HELD, False, True),
        *((state, False, False) for state in sorted(CLOSED)),
    ],
)
def test_buttons_are_there_exactly_while_they_work(state: State, cancel: bool, stop: bool) -> None:
    shown = texts(request_card.render(views.view(state), "en"))
    assert ('"action_id": "cancel"' in shown) is cancel
    assert ('"action_id": "stop"' in shown) is stop


def test_the_card_says_when_it_is_too_late_to_stop() -> None:
    running = views.view(State.RUNNING)
    assert running.job is not None
    assert "Stop still works" in texts(request_card.render(running, "en"))
    past = replace(running, job=replace(running.job, state=JobState.COMMITTING))
    shown = texts(request_card.render(past, "en"))
    assert "point of no return has passed" in shown
    assert '"action_id": "stop"' not in shown


def test_steps_that_are_still_to_come_are_shown_while_it_runs() -> None:
    running = views.view(State.RUNNING)
    shown = texts(request_card.render(replace(running, steps=running.steps[:1]), "en"))
    assert "✓" in shown
    assert "· " in shown


def test_a_ballot_has_buttons_only_while_it_counts() -> None:
    for state in State:
        buttons = "vote-approve" in texts(ballot.render(views.view(state), 1, "en"))
        assert buttons is (state in (State.PENDING, State.APPROVED, State.DENIED, State.SET_ASIDE))
    assert "vote-approve" not in texts(ballot.render(views.view(), 2, "en"))


def test_an_old_plan_forgets_its_numbers() -> None:
    assert "table_1" not in texts(plan.render(views.view(), 9, "en"))


def test_the_receipt_tells_everything_that_a_restore_needs() -> None:
    shown = texts(receipt.render(views.view(State.SUCCEEDED), "en"))
    for needed in (f"`{views.REFERENCE}`", "b" * 64, "23.2 kB", "12 rows in 3 tables", "1.2 s", "12:aaaa"):
        assert needed in shown
    assert f"/restore {views.REFERENCE} -- " in shown
    assert '"action_id": "restore"' in shown


def test_a_receipt_without_blocks_still_tells_how_everything_comes_back() -> None:
    shown = receipt.render(views.view(State.SUCCEEDED), "en").in_words
    for needed in (
        f"`{views.REFERENCE}`",
        "b" * 64,
        "12 rows in 3 tables",
        f"/restore {views.REFERENCE} -- ",
    ):
        assert needed in shown


PROBLEMS = {
    "rows that are still there": (
        Operation.DELETE_RECORDS,
        ["operations.still-there", {"n": 3}],
        "still found 3",
    ),
    "no last look": (
        Operation.DELETE_RECORDS,
        ["operations.no-look", {"target": "crm"}],
        "from a new connection",
    ),
    "rows that are missing": (Operation.RESTORE, ["restore.still-missing", {"n": 2}], "missed 2"),
}


@pytest.mark.parametrize(("operation", "problem", "told"), PROBLEMS.values(), ids=PROBLEMS.keys())
def test_a_receipt_says_verified_only_when_the_last_look_found_it_so(
    operation: Operation, problem: list[Any], told: str
) -> None:
    good = views.view(State.SUCCEEDED, request={"operation": operation})
    assert good.job is not None
    assert "verified" in texts(receipt.render(good, "en"))
    doubtful = replace(good, job=replace(good.job, facts={**good.job.facts, "problem": problem}))
    shown = texts(receipt.render(doubtful, "en"))
    assert "verified" not in shown
    assert "not confirmed" in shown
    assert told in shown


@pytest.mark.parametrize("engine", ["postgresql", "mariadb", "mysql", "sqlite"])
@pytest.mark.parametrize(
    ("language", "on_disk", "ours"),
    [("en", "on disk", "Our own backup"), ("zh-CN", "磁盘上", "我们自己的备份")],
)
def test_a_receipt_says_what_lies_on_and_until_when(
    engine: str, language: str, on_disk: str, ours: str
) -> None:
    done = views.view(State.SUCCEEDED)
    assert done.job is not None
    done = replace(done, job=replace(done.job, facts={**done.job.facts, "engine": engine}))
    shown = texts(receipt.render(done, language))
    assert on_disk in shown
    assert ours in shown
    # An expired backup is promised nothing, and what is not ours lies on all the same.
    expired = texts(receipt.render(replace(done, backup=views.backup(state="gone")), language))
    assert on_disk in expired
    assert ours not in expired
    restored = replace(done, request=replace(done.request, operation=Operation.RESTORE))
    assert on_disk not in texts(receipt.render(restored, language))


def test_the_receipt_of_a_destroyed_backup_promises_nothing() -> None:
    shown = texts(receipt.render(views.view(State.SUCCEEDED, backup=views.backup(state="gone")), "en"))
    assert views.REFERENCE not in shown
    assert '"action_id": "restore"' not in shown


def test_many_voters_are_counted_not_dropped() -> None:
    crowd = tuple(
        Vote(7, 1, f"U0{number:05}", Choice.APPROVE, Proof.CLICK, views.AT, ()) for number in range(25)
    )
    rendered = request_card.render(views.view(votes=crowd), "en")
    check(rendered)
    assert "(5 more votes)" in texts(rendered)


@pytest.mark.parametrize("count", [0, 1, 20])
def test_home_and_lists_fit(count: int) -> None:
    requests: list[RequestView] = [views.view()] * count
    about = overview.about_person(config(), "U0BOB", frozenset({"dba"}), "en")
    view = home.render(requests, about, overview.help_text(config(), "en"), "en")
    check_view(view)
    assert views.LABEL not in json.dumps(view)
    assert overview.requests_text(requests, "en")
    for key in (overview.HELP, overview.REQUESTS, overview.WHOAMI):
        answered = overview.render(
            Answer(key, {"person": "U0BOB", "roles": "dba"}), config(), _Reading(requests), "en"
        )
        assert answered is not None
        check(answered)


class _Reading:
    def __init__(self, requests: list[RequestView], kept: Sequence[KeptBackup] = ()) -> None:
        self.requests = requests
        self.kept = kept

    def kept_backups(self, target: str | None = None, limit: int = 20) -> Sequence[KeptBackup]:
        return [one for one in self.kept if target in (None, one.backup.target)][:limit]

    def frozen(self) -> Mapping[str, str]:
        return {"crm": "U0BOB"}

    def view(self, request_id: int) -> RequestView | None:
        return None

    def by_number(self, number: int) -> RequestView | None:
        return self.requests[0] if self.requests else None

    def open_requests(self) -> list[RequestView]:
        return self.requests

    def private_text(self, place: str) -> Answer | None:
        return None

    def wished(self, token: str, by: str) -> Wish | None:
        return None

    def follow_up(self, request_id: int, number: int, actor: Actor) -> Wish | None:
        return None


def kept(count: int, **changes: Any) -> list[KeptBackup]:
    return [KeptBackup(views.backup(id=f"b{one}", **changes), 100 - one, "U0ALICE") for one in range(count)]


NASTY_NAME = "<!channel> `x` *y* " + "z" * 90


@pytest.mark.parametrize("count", [0, 1, 20])
@pytest.mark.parametrize("record", ["customer", None, NASTY_NAME])
def test_the_lists_of_backups_systems_and_rules_fit(count: int, record: str | None) -> None:
    reading = _Reading([], kept(count, record=record))
    for key in (listings.BACKUPS, listings.TARGETS, listings.POLICY):
        answered = listings.render(Answer(key), config(), reading, "en")
        assert answered is not None
        check(answered)
    backups = listings.render(Answer(listings.BACKUPS), config(), reading, "en")
    assert backups is not None
    assert texts(backups).count("/restore #") == count
    assert views.REFERENCE not in texts(backups)
    nowhere = listings.render(Answer(listings.BACKUPS, {"target": "erp"}), config(), reading, "en")
    assert nowhere is not None
    assert "no backup" in texts(nowhere)


def test_the_rules_are_told_in_words_and_a_frozen_system_says_so() -> None:
    rules = listings.render(Answer(listings.POLICY, {"target": "crm"}), config(), _Reading([]), "en")
    systems = listings.render(Answer(listings.TARGETS), config(), _Reading([]), "en")
    assert rules is not None
    assert systems is not None
    for rule in config().rules:
        about_crm = rule.when.target is None or "crm" in rule.when.target
        assert (f". {rule.name}*" in texts(rules)) is about_crm
        for slot in rule.quorum.slots if about_crm else ():
            assert f"{slot.count} of *{slot.role}*" in texts(rules)
    assert "Stopped by <@U0BOB>" in texts(systems)


@pytest.mark.parametrize("count", [0, 1, 20])
@pytest.mark.parametrize("name", ["", "Alice", NASTY_NAME])
def test_the_form_of_a_restore_offers_what_there_is(count: int, name: str) -> None:
    recent = kept(count, target=NASTY_NAME[:75])
    view = forms.restore(
        restoring.Restore(into="/srv/x"), "C0DELETIONS", "en", recent, {"U0ALICE": name} if name else {}
    )
    check_view(view)
    fields = {block["block_id"]: block for block in view["blocks"]}
    assert bool(fields["backup"].get("optional")) is bool(count)
    options = fields["recent"]["element"]["options"] if count else []
    assert [option["value"] for option in options] == [f"#{one.number}" for one in recent]


@pytest.mark.parametrize(
    "choice",
    [
        RestoreChoice(),
        RestoreChoice(("a, b", "skip", "Ada L"), mode=Mode.SKIP),
        RestoreChoice(table="order items", mode=Mode.OVERWRITE),
    ],
)
def test_the_form_of_a_restore_gives_back_the_choice_it_shows(choice: RestoreChoice) -> None:
    view = forms.restore(restoring.Restore(number=42, choice=choice), "C0DELETIONS", "en")
    check_view(view)
    shown = {}
    for block in view["blocks"]:
        element = block["element"]
        initial = element.get("initial_option") or {}
        shown[block["block_id"]] = element.get("initial_value") or initial.get("value") or ""
    assert restoring.choice_of(shown) == choice


@pytest.mark.parametrize(
    ("fields", "wrong"),
    [
        ({"backup": "#42", "table": "notes", "only": "a"}, {"table": "restore.choice-both"}),
        ({"backup": "#42", "only": "a,,b"}, {"only": "parse.empty-value"}),
        ({"recent": "#42", "only": "a", "table": "b"}, {"table": "restore.choice-both"}),
        ({"backup": "forty", "mode": "skip"}, {"backup": "parse.reference"}),
        ({"backup": "#42", "mode": "skip"}, {}),
    ],
)
def test_what_does_not_go_together_is_told_beside_its_field(
    fields: dict[str, str], wrong: dict[str, str]
) -> None:
    filled = {"reason": "oops", **fields}
    view = forms.restore(restoring.Restore(), "C0DELETIONS", "en")
    state = {"values": {name: {name: {"value": text}} for name, text in filled.items()}}
    found = forms.problems(config(), {**view, "state": state})
    assert {field: refusal.key for field, refusal in found.items()} == wrong


def test_show_without_a_role_keeps_the_person_to_itself() -> None:
    reading = _Reading([views.view()])
    for full, seen in ((1, True), (0, False)):
        answered = overview.render(
            Answer(overview.SHOW, {"number": 42, "full": full}), config(), reading, "en"
        )
        assert answered is not None
        assert (views.LABEL in texts(answered)) is seen


def test_the_same_content_has_the_same_ids_and_another_has_others() -> None:
    first = request_card.render(views.view(), "en")
    assert first.stamped("card:7") == request_card.render(views.view(), "en").stamped("card:7")
    other = request_card.render(views.view(State.APPROVED), "en")
    assert {b["block_id"] for b in first.stamped("card:7")}.isdisjoint(
        b["block_id"] for b in other.stamped("card:7")
    )


@pytest.mark.parametrize(
    "name",
    [
        "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645",
        "\u0915\u094d\u200d\u0937",
        "\U0001f469\u200d\U0001f680",
    ],
    ids=["a Persian name", "a Hindi name", "an emoji of several signs"],
)
def test_a_name_that_is_written_with_joiners_stays_whole(name: str) -> None:
    assert name in mrkdwn.code(name)


@pytest.mark.parametrize(
    ("state", "told"), [(State.PENDING, True), (State.APPROVED, True), (State.RUNNING, False)], ids=str
)
def test_the_card_says_who_held_locks_until_the_job_starts(state: State, told: bool) -> None:
    card = json.dumps(request_card.render(views.view(state, revision=views.foreseen()), "en").blocks)
    assert ("pid 4711" in card) is told
    assert "CREATE INDEX" not in card
