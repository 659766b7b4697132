"""Lists of users and groups with anything in them: what may go is told line by line, and all else stays."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.errors import NotOurs
from bot.targets.machine_lines import (
    LISTS,
    GroupFacts,
    Kind,
    Lists,
    UserFacts,
    group_in,
    group_mark,
    is_gone,
    is_prepared,
    is_torn,
    keeps_group,
    keeps_user,
    mark_of_group,
    mark_of_user,
    user_in,
    user_mark,
    with_mark,
)

SOUND = {
    "passwd": "root:x:0:0::/root:/bin/sh\ncrm:x:998:997:CRM, too:/nonexistent:/bin/false\nada:x:1001:1001::/a:/bin/sh",
    "shadow": "root:*:1:0:99999:7:::\ncrm:!:20000::::::\nada:$6$a$b:1:0:99999:7:::",
    "group": "root:x:0:\ncrm:x:997:\nwww:x:33:crm\nada:x:1001:\nold:x:996:",
    "gshadow": "root:*::\ncrm:!::\nwww:*::crm\nada:!::\nold:!::",
}
OURS = frozenset({0, 700})


def lists(**changed: tuple[str, str]) -> Lists:
    """Sound ones, in which one text stands for another."""
    texts = {**{name: SOUND.get(name, "") for name in LISTS}}
    for name, (old, new) in changed.items():
        assert old in texts[name]
        texts[name] = texts[name].replace(old, new, 1) if old else texts[name] + new
    return Lists.of({name: text.encode() for name, text in texts.items()})


#: What is otherwise than in the sound lists, and what is said of the user crm then.
USERS: dict[str, tuple[dict[str, tuple[str, str]], str]] = {
    "nothing": ({}, ""),
    "root's number": ({"passwd": ("crm:x:998", "crm:x:0")}, "system"),
    "a number of the system": ({"passwd": ("crm:x:998", "crm:x:99")}, "system"),
    "the first of the others": ({"passwd": ("crm:x:998", "crm:x:100")}, ""),
    "nobody's number": ({"passwd": ("crm:x:998", "crm:x:65534")}, "system"),
    "a number that systemd gives away": ({"passwd": ("crm:x:998", "crm:x:61184")}, "system"),
    "our own number": ({"passwd": ("crm:x:998", "crm:x:700")}, "ours"),
    "no number": ({"passwd": ("crm:x:998", "crm:x:")}, "odd"),
    "a number with a sign": ({"passwd": ("crm:x:998", "crm:x:-998")}, "odd"),
    "a number with a sign of another script": ({"passwd": ("crm:x:998", "crm:x:\u0669\u0669\u0668")}, "odd"),
    "a number of two": ({"passwd": ("ada:x:1001:", "ada:x:998:")}, "shared"),
    "a field too many": ({"passwd": (":/bin/false", ":/bin/false:")}, "odd"),
    "there twice": ({"passwd": ("", "\ncrm:x:995:997::/:/bin/false")}, "odd"),
    "in shadow twice": ({"shadow": ("", "\ncrm:!:20000::::::")}, "odd"),
    "not in shadow": ({"shadow": ("crm:", "mrc:")}, "odd"),
    "a password in passwd": ({"passwd": ("crm:x:", "crm:$1$x:")}, "odd"),
    "none in passwd": ({"passwd": ("crm:x:", "crm::")}, "odd"),
    "a password": ({"shadow": ("crm:!:", "crm:$6$salt$hash:")}, "password"),
    "none to type at all": ({"shadow": ("crm:!:", "crm::")}, "password"),
    "one that was locked": ({"shadow": ("crm:!:", "crm:!$6$salt$hash:")}, ""),
    "a star": ({"shadow": ("crm:!:", "crm:*:")}, ""),
    "a day on which people close": ({"shadow": ("crm:!:20000::::::", "crm:!:20000:::::1:")}, "expires"),
    "a day to come": ({"shadow": ("crm:!:20000::::::", "crm:!:20000:::::99999:")}, "expires"),
    "a mark of another request": ({"shadow": ("crm:!:20000::::::", "crm:!:20000:::::300:")}, "expires"),
    "a field that nobody knows": ({"shadow": ("crm:!:20000::::::", "crm:!:20000::::::1")}, "odd"),
    "a day that is none": ({"shadow": ("crm:!:20000:", "crm:!:soon:")}, "odd"),
    "subordinate numbers by name": ({"subuid": ("", "crm:100000:65536")}, "numbers"),
    "subordinate numbers by number": ({"subgid": ("", "998:100000:65536")}, "numbers"),
    "subordinate numbers of others": ({"subuid": ("", "ada:100000:65536")}, ""),
    "looks after a group": ({"gshadow": ("www:*::crm", "www:*:crm:crm")}, "odd"),
    "in one list of groups alone": ({"gshadow": ("www:*::crm", "www:*::")}, "odd"),
    "in the other alone": ({"group": ("www:x:33:crm", "www:x:33:")}, "odd"),
    "no list of passwords of groups": ({"gshadow": ("www:*::crm\n", "")}, ""),
}


@pytest.mark.parametrize("what", USERS)
def test_a_user_stays_for_anything_but_the_plainest(what: str) -> None:
    changed, said = USERS[what]
    assert keeps_user(lists(**changed), "crm", OURS, {"crm"}) == said


GROUPS: dict[str, tuple[dict[str, tuple[str, str]], str]] = {
    "nothing": ({}, ""),
    "a number of the system": ({"group": ("old:x:996", "old:x:42")}, "system"),
    "our own": ({"group": ("old:x:996", "old:x:700")}, "ours"),
    "a number of two": ({"group": ("ada:x:1001", "ada:x:996")}, "shared"),
    "a member": ({"group": ("old:x:996:", "old:x:996:ada")}, "members"),
    "a member in the other list": ({"gshadow": ("old:!::", "old:!::ada")}, "members"),
    "somebody who looks after it": ({"gshadow": ("old:!::", "old:!:ada:")}, "members"),
    "somebody's first group": ({"passwd": ("ada:x:1001:1001", "ada:x:1001:996")}, "members"),
    "somebody's who goes with it": ({"passwd": ("crm:x:998:997", "crm:x:998:996")}, ""),
    "a password": ({"gshadow": ("old:!::", "old:$6$a$b::")}, "password"),
    "none to type at all": ({"gshadow": ("old:!::", "old:::")}, "password"),
    "not in the other list": ({"gshadow": ("\nold:!::", "")}, "odd"),
    "there twice": ({"group": ("", "\nold:x:995:")}, "odd"),
}


@pytest.mark.parametrize("what", GROUPS)
def test_a_group_stays_for_anything_but_the_plainest(what: str) -> None:
    changed, said = GROUPS[what]
    assert keeps_group(lists(**changed), "old", OURS, {"crm"}) == said


def test_a_user_and_his_own_group_go_together_or_not_at_all() -> None:
    sound = lists()
    assert (keeps_user(sound, "crm", OURS, {"crm"}), keeps_group(sound, "crm", OURS, {"crm"})) == ("", "")
    assert (keeps_user(sound, "crm", OURS, ()), keeps_group(sound, "crm", OURS, ())) == ("group", "members")


@pytest.mark.parametrize(
    "name", ["countersign", "countersign-worker", "-r", "--root", "crm,ada", "c m", "\u00fc"]
)
def test_a_name_of_ours_or_one_that_a_program_may_take_for_something_else_stays(name: str) -> None:
    told = lists(
        passwd=("crm:", f"{name}:"),
        shadow=("crm:", f"{name}:"),
        group=("www:x:33:crm", "www:x:33:"),
        gshadow=("www:*::crm", "www:*::"),
    )
    assert keeps_user(told, name, (), ()) == ("ours" if name.startswith("countersign") else "odd")


TEXT = st.binary(max_size=80) | st.from_regex(
    rb"(crm|old|ada)?(:[!*x0-9a-z,=-]{0,9}){0,9}\n?", fullmatch=True
)
ANY = st.fixed_dictionaries({name: st.lists(TEXT, max_size=4).map(b"\n".join) for name in LISTS})


@given(texts=ANY, name=st.sampled_from(["crm", "old", ""]))
def test_whatever_stands_in_the_lists_is_read_and_what_may_go_is_whole(
    texts: dict[str, bytes], name: str
) -> None:
    told = Lists.of(texts)
    user, group = user_in(told, name), group_in(told, name)
    if keeps_user(told, name, OURS, {name}) == "":
        assert user is not None
        assert UserFacts.of(user.dump()) == user
        assert (user.passwd[0], user.shadow[1][:1] in "!*", user.shadow[7]) == (name, True, "")
    if keeps_group(told, name, OURS, {name}) == "":
        assert group is not None
        assert GroupFacts.of(group.dump()) == group
        assert group.group[3] == ""
    kinds: tuple[Kind, ...] = ("user", "group")
    for kind in kinds:
        assert not (is_gone(told, kind, name) and is_torn(told, kind, name))


@given(raw=st.binary(max_size=60))
def test_what_a_backup_does_not_hold_is_no_account(raw: bytes) -> None:
    for read in (UserFacts.of, GroupFacts.of):
        with pytest.raises((NotOurs, ValueError)):
            read(raw)


@given(number=st.integers(1, 10**6), other=st.integers(1, 10**6))
def test_marks_lie_in_the_past_tell_a_restore_and_leave_what_stood_there(number: int, other: int) -> None:
    aside, made = f"t{number}", f"t{other}_new"
    for mark in (mark_of_user(aside), mark_of_user(made)):
        # Before 1993, and never the first days, on which people close a user.
        assert 2 < int(mark) < 8200
    assert [is_prepared(mark_of_user(one)) for one in (aside, made)] == [False, True]
    assert [is_prepared(mark_of_group(one)) for one in (aside, made)] == [False, True]
    marked = lists(shadow=("crm:!:20000::::::", f"crm:!:20000:::::{mark_of_user(aside)}:"))
    assert user_mark(marked, "crm") == mark_of_user(aside)
    assert user_in(marked, "crm", mark_of_user(aside)) == user_in(lists(), "crm")
    assert keeps_user(marked, "crm", OURS, {"crm"}, mark_of_user(aside)) == ""


@given(password=st.from_regex(r"[!*][A-Za-z0-9$./=!*-]{0,20}", fullmatch=True), number=st.integers(1, 10**6))
def test_the_password_of_a_group_is_what_it_was_under_every_mark(password: str, number: int) -> None:
    if password.startswith("!countersign-"):
        return
    line = ("old", password, "", "")
    mark = mark_of_group(f"t{number}")
    closed = ("old", with_mark(mark, line), "", "")
    assert closed[1].startswith("!")
    assert with_mark("", closed) == password
    assert with_mark(mark, closed) == closed[1]
    marked = lists(gshadow=("old:!::", f"{':'.join(closed)}"))
    assert group_mark(marked, "old") == mark
    assert group_in(marked, "old") == group_in(lists(gshadow=("old:!::", f"old:{password}::")), "old")
    assert keeps_group(marked, "old", OURS, ()) == ""


def test_a_removal_that_was_cut_short_is_seen_by_what_is_left() -> None:
    day = mark_of_user("t7")
    left = lists(
        passwd=("\ncrm:x:998:997:CRM, too:/nonexistent:/bin/false", ""),
        shadow=(":20000::::::", f":20000:::::{day}:"),
    )
    assert (user_mark(left, "crm"), is_torn(left, "user", "crm"), is_gone(left, "user", "crm")) == (
        day,
        True,
        False,
    )
    further = lists(
        passwd=("\ncrm:x:998:997:CRM, too:/nonexistent:/bin/false", ""), shadow=("\ncrm:!:20000::::::", "")
    )
    assert (user_mark(further, "crm"), is_gone(further, "user", "crm")) == (None, False)
