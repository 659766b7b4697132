"""A key and what fills it become one sentence, in one language throughout."""

import pytest

from bot.errors import Broken, because
from handlers.views.mrkdwn import plain
from handlers.views.wording import sentence, shown

#: What a part that does not go back is told with, as the worker writes it down.
STUCK = {"name": "uploads", **because(Broken("files.in-the-way", path="/srv/crm/uploads"))}


@pytest.mark.parametrize(
    ("case", "params", "language", "told"),
    [
        (
            "the inner sentence is said in brackets",
            STUCK,
            "en",
            "(Something stands at /srv/crm/uploads already",
        ),
        ("it is said in the language of the outer one", STUCK, "zh-CN", "（/srv/crm/uploads 处已有内容"),
        (
            "a name of the same kind stays with its own",
            {**STUCK, "why_name": "x"},
            "en",
            "“uploads” does not",
        ),
        ("words that are no key stay as they are", {"name": "a", "why": "no key"}, "en", "(no key)"),
        ("a key of another version stays a key", {"name": "a", "why": "files.new"}, "en", "(files.new)"),
    ],
)
def test_a_sentence_that_names_another_one_says_it_in_words(
    case: str, params: dict[str, str | int], language: str, told: str
) -> None:
    said = sentence("undo.holding", params, language)
    assert told in said, case
    assert ".)" not in said
    assert "。）" not in said


@pytest.mark.parametrize(
    ("name", "value", "language", "told"),
    [
        ("known", "crm, erp", "en", "crm, erp"),
        ("known", "crm, erp", "zh-CN", "crm、erp"),
        ("users", "U0BOB,U0CAROL", "zh-CN", "<@U0BOB>、<@U0CAROL>"),
        ("missing", "1 × dba", "zh-CN", "1 × dba"),
        ("left", "-", "zh-CN", "-"),
    ],
)
def test_a_list_stands_as_its_language_writes_lists(name: str, value: str, language: str, told: str) -> None:
    assert shown(name, value, language) == told


def test_a_statement_arrives_as_it_has_to_be_pasted() -> None:
    quoted = "ALTER TABLE `crm`.`line_items` ADD INDEX (`_order`) -- <@U1>"
    said = shown("statement", quoted, "en")
    assert said == "```ALTER TABLE `crm`.`line_items` ADD INDEX (`_order`) -- &lt;@U1&gt;```"
    assert plain(f"Run {said}, *then* ask.") == f"Run {quoted}, then ask."
    assert shown("grant", 'GRANT "_a" TO b', "en") == '`GRANT "_a" TO b`'
    assert "``" not in str(shown("statement", "a ``` b", "en"))
