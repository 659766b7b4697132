"""What people and phones type."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.errors import BadInput
from bot.model.choices import Mode, RestoreChoice
from handlers import parsing, restoring, words

ADA = "ada@example.com"


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(f"crm customer {ADA} -- GDPR 4711", id="as the help shows it"),
        pytest.param(f"crm customer {ADA} \u2014 GDPR 4711", id="a phone makes one dash of two hyphens"),
        pytest.param(f"crm customer {ADA} \u2013 GDPR 4711", id="an en dash"),
        pytest.param(f"crm customer {ADA} \u2014\u2014 GDPR 4711", id="two em dashes"),
        pytest.param(f"crm customer {ADA} \u2014GDPR 4711", id="a dash glued to the reason"),
        pytest.param(f"crm customer {ADA} --GDPR 4711", id="hyphens glued to the reason"),
        pytest.param(f"crm customer <mailto:{ADA}|{ADA}> -- GDPR 4711", id="an address made a link"),
        pytest.param(f"crm customer <mailto:{ADA}> -- GDPR 4711", id="a link without a label"),
        pytest.param(f'crm customer "{ADA}" -- GDPR 4711', id="straight quotes"),
        pytest.param(f"crm customer \u201c{ADA}\u201d \u2014 GDPR 4711", id="curly quotes"),
        pytest.param(f"crm customer \u2018{ADA}\u2019 \u2014 GDPR 4711", id="curly single quotes"),
        pytest.param(f"crm customer \u201e{ADA}\u201c -- GDPR 4711", id="German quotes"),
        pytest.param(f"crm customer \u201f{ADA}\u201d -- GDPR 4711", id="quotes turned the other way"),
        pytest.param(f"crm customer \uff02{ADA}\uff02 -- GDPR 4711", id="quotes of full width"),
        pytest.param(f"crm customer {ADA} \uff0d\uff0d GDPR 4711", id="hyphens of full width"),
        pytest.param(f"crm customer {ADA} \u2212\u2212 GDPR 4711", id="two minus signs"),
        pytest.param(f"crm customer {ADA} -\u2014 GDPR 4711", id="a hyphen and a dash"),
        pytest.param(f"crm customer {ADA} \u2e3a GDPR 4711", id="a dash of double length"),
        pytest.param(f"crm customer '{ADA}' -- GDPR 4711", id="single quotes"),
        pytest.param(
            f"  crm\u00a0customer\u202f{ADA}\u00a0--\u00a0GDPR 4711 ", id="blanks that do not break"
        ),
        pytest.param(f"crm customer \u200b{ADA}\ufeff -- GDPR 4711", id="marks without width"),
        pytest.param(f"crm customer \u202a{ADA}\u202c -- GDPR 4711", id="marks from a phone's address book"),
        pytest.param(f"crm\ncustomer\n{ADA}\n--\nGDPR 4711", id="over several lines"),
        pytest.param(f'crm customer {ADA} -- "GDPR 4711"', id="a quoted reason"),
    ],
)
def test_one_deletion_however_it_is_typed(text: str) -> None:
    assert parsing.deletion(text) == parsing.Deletion("crm", "customer", (ADA,), "GDPR 4711")


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("crm customer ada-lovelace@example.com -- x", ("ada-lovelace@example.com",)),
        ("crm customer a--b@example.com -- x", ("a--b@example.com",)),
        ("crm customer a\u2014b -- x", ("a\u2014b",)),
        ('crm customer "a -- b" -- x', ("a -- b",)),
        ('crm customer "Ada Lovelace" -- x', ("Ada Lovelace",)),
        ('crm customer "Lovelace, Ada",7 -- x', ("Lovelace, Ada", "7")),
        ("crm customer 1,2, 3 ,4 -- x", ("1", "2", "3", "4")),
        ("crm customer 1,1,2 -- x", ("1", "2")),
        ("crm customer O'Brien -- x", ("O'Brien",)),
        ("crm customer 't_Hooft -- x", ("'t_Hooft",)),
        ("crm customer D\u2019Arcy -- x", ("D\u2019Arcy",)),
        ("crm customer &lt;b&gt;&amp;amp; -- x", ("<b>&amp;",)),
        ("crm customer <http://example.com|example.com> -- x", ("example.com",)),
        ("crm customer <https://example.com/a?b> -- x", ("https://example.com/a?b",)),
        ("crm customer <@U0BOB|bob> -- x", ("U0BOB",)),
        ("crm customer <!channel> -- x", ("@channel",)),
        ("crm customer <tel:+491234|+49-1234> -- x", ("+49-1234",)),
        ("crm customer %_*?' -- x", ("%_*?'",)),
        ("crm customer '; DROP TABLE customers;-- -- x", None),
        ("crm customer \u674e\u96f7 -- x", ("\u674e\u96f7",)),
        (
            "crm customer \u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645 -- x",
            ("\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645",),
        ),
    ],
)
def test_values_stay_what_they_are(text: str, values: tuple[str, ...] | None) -> None:
    if values is None:
        with pytest.raises(BadInput):
            parsing.deletion(text)
    else:
        assert parsing.deletion(text).values == values


@pytest.mark.parametrize(
    ("text", "key"),
    [
        pytest.param("crm customer a\x00b -- x", "parse.control", id="NUL"),
        pytest.param("crm customer a\x1b[2Jb -- x", "parse.control", id="an escape sequence"),
        pytest.param("crm customer \ud800 -- x", "parse.control", id="half a character"),
        pytest.param("crm customer Ada Lovelace -- x", "parse.spaces", id="a blank without quotes"),
        pytest.param('crm customer "Ada" Lovelace -- x', "parse.spaces", id="a word after a quote"),
        pytest.param('crm customer "Ada -- x', "parse.quote", id="a quote never closed"),
        pytest.param("crm customer a,,b -- x", "parse.empty-value", id="two commas"),
        pytest.param("crm customer a, -- x", "parse.empty-value", id="a last comma"),
        pytest.param('crm customer "" -- x', "parse.empty-value", id="empty quotes"),
        pytest.param(f"crm customer {'x' * 1001} -- x", "parse.long-value", id="a very long value"),
        pytest.param("x" * 1_000_000, "parse.too-long", id="a megabyte"),
    ],
)
def test_what_cannot_be_understood_is_refused(text: str, key: str) -> None:
    with pytest.raises(BadInput) as refusal:
        parsing.deletion(text)
    assert refusal.value.key == key


#: what is typed -> the values and the number expected, or the refusal
EXPECTING: dict[str, tuple[tuple[str, ...], int | None] | str] = {
    "ada@x expect 14 -- why": (("ada@x",), 14),
    "ada@x EXPECT 14 — why": (("ada@x",), 14),
    "ada@x,bob@x expect 0 -- why": (("ada@x", "bob@x"), 0),
    '"Ada King" expect 14 -- why': (("Ada King",), 14),
    "expect -- why": (("expect",), None),
    "expect expect 14 -- why": (("expect",), 14),
    "ada@x, expect -- why": (("ada@x", "expect"), None),
    "ada@x,expect -- why": (("ada@x", "expect"), None),
    '"ada expect 14" -- why': (("ada expect 14",), None),
    "“ada expect 14” expect 2 -- why": (("ada expect 14",), 2),
    '"expect" expect 2 -- why': (("expect",), 2),
    "ada@x -- we expect 14 rows": (("ada@x",), None),
    "ada@x expect -- why": "parse.expect",
    "ada@x expect many -- why": "parse.expect",
    "ada@x expect 5,214 -- why": "parse.expect",
    "ada@x expect -3 -- why": "parse.expect",
    "ada@x expect 14 15 -- why": "parse.expect",
    "ada@x expect １４ -- why": "parse.expect",
    "ada@x expect 14 expect 15 -- why": "parse.expect",
    "expect 14 -- why": "parse.spaces",
    "ada@x expects 14 -- why": "parse.spaces",
    "ada@x, expect 14 -- why": "parse.spaces",
}


#: what is typed -> the values, who takes over and the number expected, or the refusal
REASSIGNING: dict[str, tuple[tuple[str, ...], str, int | None] | str] = {
    "bob@x reassign ann@x -- left": (("bob@x",), "ann@x", None),
    "bob@x Reassign <mailto:ann@x|ann@x> — left": (("bob@x",), "ann@x", None),
    "bob@x,cy@x reassign ann@x expect 4 -- left": (("bob@x", "cy@x"), "ann@x", 4),
    "bob@x expect 4 reassign ann@x -- left": (("bob@x",), "ann@x", 4),
    'bob@x reassign "Ann B, Sales" -- left': (("bob@x",), "Ann B, Sales", None),
    "bob@x reassign “reassign” -- left": (("bob@x",), "reassign", None),
    'bob@x reassign "expect 4" -- left': (("bob@x",), "expect 4", None),
    "reassign reassign ann@x -- left": (("reassign",), "ann@x", None),
    "bob@x, reassign -- left": (("bob@x", "reassign"), "", None),
    '"bob reassign ann" -- left': (("bob reassign ann",), "", None),
    "bob@x -- reassign ann@x": (("bob@x",), "", None),
    "bob@x reassign -- left": "parse.reassign",
    "bob@x reassign expect 4 -- left": "parse.reassign",
    "bob@x reassign ann@x,dee@x -- left": "parse.reassign",
    "bob@x reassign ann@x, -- left": "parse.empty-value",
    "bob@x reassign ann@x reassign dee@x -- left": "parse.reassign",
    "bob@x reassign ann dee -- left": "parse.spaces",
    "bob@x reassign ann@x 4 -- left": "parse.spaces",
    "bob@x reassigned ann@x -- left": "parse.spaces",
    "reassign ann@x -- left": "parse.spaces",
}


@pytest.mark.parametrize("text", REASSIGNING)
def test_somebody_may_take_over_and_a_value_is_never_taken_for_it(text: str) -> None:
    wanted = REASSIGNING[text]
    if isinstance(wanted, str):
        with pytest.raises(BadInput) as refusal:
            parsing.deletion(f"crm user {text}")
        assert refusal.value.key == wanted
        return
    found = parsing.deletion(f"crm user {text}")
    assert (found.values, found.heir, found.expected) == wanted


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("", ""),
        (" ann@x \n", "ann@x"),
        ("Ann B", "Ann B"),
        ('"a, b"', "a, b"),
        ("a, b", None),
        ("a\nb", None),
    ],
)
def test_one_field_names_one_record(text: str, wanted: str | None) -> None:
    if wanted is not None:
        assert parsing.one_value(text) == wanted
        return
    with pytest.raises(BadInput) as refusal:
        parsing.one_value(text)
    assert refusal.value.key == "form.one-heir"


@pytest.mark.parametrize("text", EXPECTING)
def test_a_number_may_be_expected_and_a_value_is_never_taken_for_one(text: str) -> None:
    wanted = EXPECTING[text]
    if isinstance(wanted, str):
        with pytest.raises(BadInput) as refusal:
            parsing.deletion(f"crm customer {text}")
        assert refusal.value.key == wanted
        return
    found = parsing.deletion(f"crm customer {text}")
    assert (found.values, found.expected) == wanted


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("crm -- old", parsing.Named("crm", "old")),
        ("crm old system", parsing.Named("crm", "old system")),
        ("crm expect 1240 -- old", parsing.Named("crm", "old", 1240)),
        ("crm", parsing.Named("crm")),
        ("crm expect -- old", "parse.expect"),
        ("crm and shop -- old", "parse.teardown"),
        ("crm now expect 3 -- old", "parse.teardown"),
        ("crm reassign erp -- old", "parse.teardown"),
    ],
)
def test_a_teardown_may_expect_a_number_and_nothing_else(text: str, expected: parsing.Named | str) -> None:
    if isinstance(expected, parsing.Named):
        assert parsing.teardown(text) == expected
        return
    with pytest.raises(BadInput) as refusal:
        parsing.teardown(text)
    assert refusal.value.key == expected


@pytest.mark.parametrize(("typed", "number"), [("", None), ("  ", None), ("14", 14), (" 14\n", 14), ("0", 0)])
def test_a_form_takes_a_number_or_nothing(typed: str, number: int | None) -> None:
    assert parsing.count(typed) == number
    for wrong in ("14.5", "-1", "1,000", "many", "１４", "9" * 13):
        with pytest.raises(BadInput):
            parsing.count(wrong)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", parsing.Deletion()),
        ("crm", parsing.Deletion("crm")),
        ("crm customer", parsing.Deletion("crm", "customer")),
        (f"crm customer {ADA}", parsing.Deletion("crm", "customer", (ADA,))),
        (f"crm customer {ADA} --", parsing.Deletion("crm", "customer", (ADA,))),
        ("-- why", parsing.Deletion(reason="why")),
    ],
)
def test_parts_may_be_missing(text: str, expected: parsing.Deletion) -> None:
    assert parsing.deletion(text) == expected
    assert not expected.complete


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("43 -- wrong customer", parsing.Undo(43, "wrong customer")),
        ("#43 \u2014 wrong customer", parsing.Undo(43, "wrong customer")),
        ("43", parsing.Undo(43)),
        ("43 expect 7 -- why", parsing.Undo(43, "why", 7)),
        ("43 reassign ann@x -- why", parsing.Undo(43, "why", None, "ann@x")),
        ("43 expect 7 reassign 'ann b' -- why", parsing.Undo(43, "why", 7, "ann b")),
        ("", "usage.undo"),
        ("-- why", "usage.undo"),
        ("cs1.AbC -- why", "usage.undo"),
        ("43 44 -- why", "usage.undo"),
        ("43 wrong customer", "usage.undo"),
        ("restore 43 -- why", "usage.undo"),
        ("4300000000 -- why", "usage.undo"),
        ("43 expect many -- why", "parse.expect"),
        ("43 reassign a,b -- why", "parse.reassign"),
    ],
)
def test_what_is_to_be_undone(text: str, expected: parsing.Undo | str) -> None:
    if isinstance(expected, parsing.Undo):
        assert parsing.undo(text) == expected
        return
    with pytest.raises(BadInput) as refusal:
        parsing.undo(text)
    assert refusal.value.key == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("cs1.AbC_- -- oops", restoring.Restore("cs1.AbC_-", None, None, "oops")),
        ("`cs1.AbC` \u2014 oops", restoring.Restore("cs1.AbC", None, None, "oops")),
        ('"cs1.AbC" -- oops', restoring.Restore("cs1.AbC", None, None, "oops")),
        ("<http://cs1.AbC|cs1.AbC> -- oops", restoring.Restore("cs1.AbC", None, None, "oops")),
        ("#42 -- oops", restoring.Restore(None, 42, None, "oops")),
        ("42 -- oops", restoring.Restore(None, 42, None, "oops")),
        ("#42 into crm -- oops", restoring.Restore(None, 42, "crm", "oops")),
        ("#42", restoring.Restore(None, 42)),
        ("", restoring.Restore()),
    ],
)
def test_restores(text: str, expected: restoring.Restore) -> None:
    assert restoring.restore(text) == expected


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("customer 7 -- x", "parse.restore"),
        ("hello -- x", "parse.reference"),
        ("#0x2 -- x", "parse.reference"),
        ("#42 to crm -- x", "parse.restore"),
        ("#42 into -- x", "parse.restore"),
        ("#42 into crm too -- x", "parse.restore"),
        ("9999999999 -- x", "parse.reference"),
    ],
)
def test_restores_that_make_no_sense(text: str, key: str) -> None:
    with pytest.raises(BadInput) as refusal:
        restoring.restore(text)
    assert refusal.value.key == key


@pytest.mark.parametrize(
    ("text", "choice"),
    [
        ("#42 skip -- x", RestoreChoice(mode=Mode.SKIP)),
        ("#42 Overwrite \u2014 x", RestoreChoice(mode=Mode.OVERWRITE)),
        ("#42 only <mailto:a@b.io|a@b.io> -- x", RestoreChoice(("a@b.io",))),
        ("#42 only a@b.io, c@d.io skip -- x", RestoreChoice(("a@b.io", "c@d.io"), mode=Mode.SKIP)),
        ("#42 skip only a,b -- x", RestoreChoice(("a", "b"), mode=Mode.SKIP)),
        ('#42 only "table", skip -- x', RestoreChoice(("table", "skip"))),
        ("#42 only \u201cAda -- Lovelace\u201d -- x", RestoreChoice(("Ada -- Lovelace",))),
        ("#42 only O'Brien -- x", RestoreChoice(("O'Brien",))),
        ("#42 table notes -- x", RestoreChoice(table="notes")),
        (
            "#42 table Sales.Customer overwrite -- x",
            RestoreChoice(table="Sales.Customer", mode=Mode.OVERWRITE),
        ),
        ('#42 table "order items" -- x', RestoreChoice(table="order items")),
        ('#42 table "skip" -- x', RestoreChoice(table="skip")),
        ("#42 into crm table notes skip -- x", RestoreChoice(table="notes", mode=Mode.SKIP)),
        ("#42 -- overwrite", RestoreChoice()),
        ("#42 -- skip only table", RestoreChoice()),
    ],
)
def test_what_of_a_backup_comes_back(text: str, choice: RestoreChoice) -> None:
    typed = restoring.restore(text)
    assert (typed.number, typed.choice, bool(typed.reason)) == (42, choice, True)
    assert typed.into == ("crm" if "into" in text else None)


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("#42 only -- x", "parse.restore"),
        ("#42 only skip -- x", "parse.restore"),
        ("#42 only Ada Lovelace -- x", "parse.spaces"),
        ("#42 only a,,b -- x", "parse.empty-value"),
        ("#42 only a only b -- x", "parse.restore"),
        ("#42 table -- x", "parse.restore"),
        ("#42 table order items -- x", "parse.restore"),
        ("#42 table a table b -- x", "parse.restore"),
        ("#42 skip overwrite -- x", "parse.restore"),
        ("#42 skip skip -- x", "parse.restore"),
        ("#42 skip them -- x", "parse.restore"),
        ("#42 undo -- x", "parse.restore"),
        ("#42 overwrites -- x", "parse.restore"),
        ("#42 only a table b -- x", "restore.choice-both"),
        ('#42 only "a -- x', "parse.quote"),
    ],
)
def test_choices_that_make_no_sense(text: str, key: str) -> None:
    with pytest.raises(BadInput) as refusal:
        restoring.restore(text)
    assert refusal.value.key == key


@settings(max_examples=200)
@given(
    st.lists(st.text(min_size=1, max_size=12), min_size=1, max_size=4, unique=True),
    st.sampled_from(["", " skip", " overwrite"]),
)
def test_quoted_values_come_back_whatever_they_hold(wished: list[str], mode: str) -> None:
    """A value that is typed in quotes is that value, even when it is a keyword, a comma or a dash."""
    try:
        known = words.lines_of_values("\n".join(f'"{one}"' for one in wished))
    except BadInput:
        return
    if any('"' in one or one != one.strip() for one in known):
        return
    escaped = [one.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;") for one in known]
    listed = ",".join(f'"{one}"' for one in escaped)
    typed = restoring.restore(f"#7 only {listed}{mode} -- why")
    assert (typed.choice.only, typed.choice.mode) == (known, mode.strip() or "fail")


def test_numbers_and_names() -> None:
    assert parsing.number(" #42 ") == 42
    for wrong in ("", "4 2", "forty", "#", "-1", "1e3", "\u0664\u0662"):
        with pytest.raises(BadInput):
            parsing.number(wrong)
    assert parsing.named("crm -- smoke in the rack") == parsing.Named("crm", "smoke in the rack")
    assert parsing.named("crm smoke") == parsing.Named("crm", "smoke")
    assert parsing.named("") == parsing.Named()


def test_the_word_after_the_command_leaves_the_rest_alone() -> None:
    assert parsing.subcommand("  Show\u00a0 #42") == ("show", "#42")
    assert parsing.subcommand("") == ("", "")
    assert parsing.subcommand("plan crm customer <mailto:a@b|a@b>") == (
        "plan",
        "crm customer <mailto:a@b|a@b>",
    )


def test_a_form_takes_one_value_per_line() -> None:
    assert words.lines_of_values('Ada Lovelace\n\n \nb, c\n"x, y"') == ("Ada Lovelace", "b", "c", "x, y")
    assert words.lines_of_values("a &lt; b") == ("a &lt; b",)
    assert words.lines_of_values(" \n") == ()


_READABLE = st.text(
    st.characters(exclude_categories=("Cc", "Cs", "Zs", "Zl", "Zp", "Cf")), min_size=1, max_size=40
)


@settings(deadline=None)  # other suites share the machine
@given(
    st.lists(
        _READABLE.filter(lambda text: not set(text) & set('"\u201c\u201d\u201e&<>')), min_size=1, max_size=4
    )
)
def test_whatever_is_in_quotes_comes_out_again(words: list[str]) -> None:
    value = " ".join(words)
    typed = parsing.deletion(f'crm customer "{value}" -- why')
    assert typed.values == (value,)
    assert typed.reason == "why"


@settings(deadline=None)  # other suites share the machine
@given(_READABLE.filter(lambda text: not set(text) & set("\u201c\u201d")))
def test_a_prefilled_value_is_read_back_as_it_was(value: str) -> None:
    assert words.lines_of_values(words.quoted(value)) == (value,)


@settings(deadline=None)  # other suites share the machine
@given(st.text(max_size=200))
def test_no_text_does_anything_but_parse_or_be_refused(text: str) -> None:
    for read in (parsing.deletion, restoring.restore, parsing.named, parsing.number, words.lines_of_values):
        try:
            read(text)
        except BadInput as refusal:
            assert refusal.key.startswith("parse.")


def test_eight_thousand_quotes_take_no_time() -> None:
    text = "crm customer " + "'a " * 2500 + "-- x"
    with pytest.raises(BadInput):
        parsing.deletion(text)
