"""What the messages about a plan cannot show stands whole in a file, and only then is there one."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.model.doors import Personal, PlanFile, RequestView
from bot.model.requests import Operation, Revision, State
from bot.sandbox import samples
from handlers.views import mrkdwn, plan, plan_file, request_card

LANGUAGES = ("en", "zh-CN")
DIGEST = "d" * 64


def about(**content: Any) -> RequestView:
    """A request whose plan has these parts."""
    data = {**samples.plan(), **content}
    return samples.view(State.PENDING, revision=Revision(7, 1, DIGEST, data, samples.RULE, samples.AT))


def of_system(**content: Any) -> RequestView:
    """A teardown whose system has these parts."""
    view = samples.teardown(State.PENDING)
    assert view.revision is not None
    data = {**view.revision.plan, "system": {**samples.system(), **content}}
    return replace(view, revision=replace(view.revision, plan=data))


def about_person(**texts: Any) -> RequestView:
    usual = {"label": samples.LABEL, "values": ("ada@example.com",), "reason": samples.REASON}
    return samples.view(State.PENDING, personal=Personal(**{**usual, **texts}))


def text(view: RequestView, language: str = "en") -> str:
    file = plan_file.written(view, language)
    assert file is not None
    return file.content.decode()


def many(n: int, name: str = "table_{}") -> list[list[Any]]:
    return [[name.format(number), 4, "0" * 64] for number in range(n)]


LEFT_OUT: dict[str, tuple[RequestView, list[str]]] = {
    "tables": (about(tables=many(200)), [f"table_{n}  4" for n in range(200)]),
    "one table too many": (about(tables=many(41)), ["table_40  4"]),
    "a long name of a table": (about(tables=many(1, "t" * 90 + "{}")), ["t" * 90 + "0"]),
    "references": (about(nullified=many(20, "a_{} -> b.id")), [f"a_{n} -> b.id  4" for n in range(20)]),
    "warnings": (
        about(warnings=[["plan.own-runs", {"n": n}] for n in range(3)] + [[f"w{n}", {}] for n in range(12)]),
        [f"w{n}" for n in range(12)],
    ),
    "steps": (about(steps=[f"step-{n}" for n in range(40)]), ["40. step-39"]),
    "values": (about_person(values=tuple(f"v{n}@x" for n in range(100))), [f"v{n}@x" for n in range(100)]),
    "a long value": (about_person(values=("v" * 300,)), ["v" * 300]),
    "a long label": (about_person(label="n" * 300), ["n" * 300]),
    "a long reason": (about_person(reason="why " * 120), [("why " * 120).strip()]),
    "people whose accounts it is about": (
        about(people=[f"U0P{n:02}" for n in range(9)]),
        [f"U0P{n:02}" for n in range(9)],
    ),
    "services": (
        of_system(services=[[f"svc{n}", "running", 2, [80], "x"] for n in range(40)]),
        [f"svc{n}" for n in range(40)],
    ),
    "holdings": (
        of_system(holdings=[[f"h{n}", "folder", f"/srv/h{n}/", 1, 2] for n in range(40)]),
        [f"/srv/h{n}/" for n in range(40)],
    ),
    "a long path": (of_system(holdings=[["h", "folder", "/srv/" + "p" * 400, 1, 2]]), ["p" * 400]),
    "programs that use it": (
        of_system(users=[[f"prog{n}x", n, "x", "uploads"] for n in range(40)]),
        [f"prog{n}x" for n in range(40)],
    ),
    "checks": (of_system(checks=[[f"check{n}", True] for n in range(40)]), [f"check{n}" for n in range(40)]),
    "neighbours": (
        of_system(neighbours=[[f"by{n}", True] for n in range(40)]),
        [f"by{n}" for n in range(40)],
    ),
}


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("what", LEFT_OUT)
def test_what_is_left_out_or_shortened_stands_whole_in_the_file(what: str, language: str) -> None:
    view, parts = LEFT_OUT[what]
    written = text(view, language).splitlines()
    for part in parts:
        assert any(part in line for line in written), part
    assert "… (+" not in "\n".join(written)


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("what", LEFT_OUT)
def test_a_message_never_leaves_out_in_silence(what: str, language: str) -> None:
    view = replace(LEFT_OUT[what][0], file=PlanFile("plan-42-1.txt", "ab" * 32, there=True, gone=False))
    shown = str(plan.render(view, 1, language).blocks) + str(request_card.render(view, language).blocks)
    assert "…" in shown or what == "people whose accounts it is about"
    assert "plan-42-1.txt" in shown
    assert "ab" * 32 in shown


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize(
    "view",
    [
        about(),
        about(tables=many(40)),
        about(steps=[f"s{n}" for n in range(30)]),
        about_person(values=tuple(f"v{n}" for n in range(5))),
        samples.teardown(State.PENDING),
        samples.teardown(State.PENDING, builtin=True),
        samples.view(State.PENDING, request={"operation": Operation.UNFREEZE, "record": None}),
        samples.view(State.PENDING, request={"operation": Operation.RESTORE}),
        samples.view(State.PENDING, revision=None),
    ],
)
def test_what_fits_needs_no_file(view: RequestView, language: str) -> None:
    assert plan_file.written(view, language) is None


def test_parts_that_fit_alone_but_not_together_need_a_file() -> None:
    view = about(
        tables=many(40, "{}" + "t" * 60), nullified=many(15, "{}" + "n" * 110), warnings=[["w" * 400, {}]] * 1
    )
    view = replace(view, support="s" * 300)
    warned = about(
        tables=many(40, "{:02}" + "&" * 60),
        nullified=many(15, "{:02}" + "&" * 110),
    )
    assert plan_file.written(view, "en") is None
    assert "39" + "&" * 60 in text(warned)


def test_the_file_says_what_the_plan_says_in_plain_words() -> None:
    view = about(tables=many(50), nullified=many(1, "a.b -> c.id"), warnings=[["plan.own-runs", {}]])
    written = text(replace(view, personal=replace(view.personal, mark="c0ffee")))
    assert written.startswith("Plan of request #42, version 1\n======")
    for part in (
        "U0ALICE asks to delete from crm.",
        "What: Ada King, Countess of Lovelace · ada@example.com",
        "Why: GDPR ticket 4711",
        "Rule: small erasure",
        "200 rows, by table:",
        "1. ",
        f"digest {DIGEST}",
        "c0ffee",
        "Support: Example CRM Ltd",
    ):
        assert part in written, part
    assert "`" not in written
    assert "*" not in written
    assert "&amp;" not in written


def test_the_checksum_of_the_same_names_is_another_one_for_another_request() -> None:
    """Or else whoever guesses a name could see from the checksum in the log that it was right."""
    view = about(tables=many(50))
    marked = [replace(view, personal=replace(view.personal, mark=mark)) for mark in ("aa", "bb", "aa")]
    one, two, again = (plan_file.written(one, "en") for one in marked)
    assert one is not None
    assert two is not None
    assert one == again
    assert one.sha256 != two.sha256


@pytest.mark.parametrize("language", LANGUAGES)
def test_before_during_and_after_the_messages_say_where_the_file_is(language: str) -> None:
    file = PlanFile("plan-42-1.txt", "ab" * 32, there=False, gone=False)
    coming, there, gone = (
        replace(about(tables=many(50)), file=one)
        for one in (file, replace(file, there=True), replace(file, gone=True))
    )
    assert "plan-42-1.txt" not in str(plan.render(coming, 1, language).blocks)
    assert "📎" in str(plan.render(coming, 1, language).blocks)
    assert "📎" in str(request_card.render(coming, language).blocks)
    for view in (there, gone):
        assert "plan-42-1.txt" in str(plan.render(view, 1, language).blocks)
        assert "📎" not in str(request_card.render(view, language).blocks)


HOSTILE = st.one_of(
    st.text(max_size=60),
    st.sampled_from(
        ["*bold*", "a*b", "`x`", "<@U0BOB>", "&lt;", "&amp;lt;", "<!date^1^x|y>", "_it_", "@channel"]
    ),
)


@given(HOSTILE)
@settings(deadline=None)
def test_a_name_stands_in_the_file_as_it_was_read(name: str) -> None:
    """Whatever keeps it harmless in a message is gone again."""
    seen = mrkdwn.tame(name, 10**9).replace("`", "\u02cb")
    assert mrkdwn.plain(f"• {mrkdwn.code(name, 10**9)} *4*") == f"• {seen or ' '} 4"
    assert mrkdwn.plain(f"*On:* {mrkdwn.safe(name, 10**9)}.") == f"On: {seen}."


@given(st.lists(HOSTILE, min_size=41, max_size=60))
@settings(deadline=None, max_examples=30)
def test_every_table_is_counted_in_the_file_whatever_it_is_called(names: list[str]) -> None:
    written = text(about(tables=[[name, 4, "0" * 64] for name in names]))
    for name in names:
        assert mrkdwn.tame(name, 10**9).replace("`", "\u02cb") in written
