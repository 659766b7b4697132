"""Every sentence about the configuration exists, is used, and can be said."""

import re
from pathlib import Path

import pytest

import bot.config
from bot.config.problems import ConfigInvalid, ConfigProblem, Finding
from bot.texts import catalogue

ROOM = Path(bot.config.__file__).parent
KEYS = sorted(key for key in catalogue("en")[0] if key.startswith(("config.", "finding.")))
WORDS = (
    "example file first group known length limit line meant name other owner people person record role roles "
    "rule seats target text value ways where by"
)
PARAMS: dict[str, str | int] = {word: f"<{word}>" for word in WORDS.split()}


@pytest.mark.parametrize("key", KEYS)
def test_a_sentence_can_be_said(key: str) -> None:
    params = {**PARAMS, "n": 2} if key == "config.invalid" else PARAMS
    problem = ConfigProblem("countersign.yml", 3, key, {**params, "key": "<key>"})
    sentence = problem.sentence()
    assert sentence.startswith("countersign.yml, line 3: ")
    assert len(sentence) < 330
    assert Finding("c.yml", None, key, problem.params).sentence() == sentence.partition(": ")[2]


def test_every_key_in_the_code_has_a_sentence_and_every_sentence_is_used() -> None:
    code = "\n".join(file.read_text() for file in ROOM.glob("*.py"))
    used = set(re.findall(r"\"((?:config|finding)\.[a-z-]+)\"", code))
    for kind in ("role", "target", "record", "environment"):
        used |= {f"config.unknown-{kind}{end}" for end in ("", "-meant", "-none")}
    for why in ("unknown", "outsider", "bot", "deactivated", "guest"):
        used |= {f"finding.person-{why}", f"finding.owner-{why}"}
    assert used == set(KEYS)


def test_the_number_of_problems_is_said() -> None:
    one = ConfigProblem("c.yml", 1, "config.syntax")
    assert "one thing" in ConfigProblem("c.yml", None, "config.invalid", {"file": "c.yml", "n": 1}).sentence()
    error = ConfigInvalid("c.yml", (one, one))
    assert str(error) == "config.invalid"
    assert error.params == {"file": "c.yml", "n": 2}
