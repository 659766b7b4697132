"""docs/policy.md, run: every example is a configuration, and every table under one says what the code says."""

import re
from collections.abc import Iterator
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from bot.approvals.quorum import Voter, decide
from bot.config.load import load
from bot.config.rule_types import Rule
from bot.config.shapes import keys_of
from bot.config.types import Config
from bot.model.quorums import plain

PAGE = Path(__file__).parents[3] / "docs/policy.md"
PEOPLE = {
    "Dan": "dba",
    "Dora": "dba",
    "Leo": "legal",
    "Cid": "ciso",
    "Del": "dba legal",
    "Ext": "dba contractor",
}
ROLES = ("support", "dba", "data-owner", "legal", "ciso", "contractor", "responder")
EXAMPLE = re.compile(r"^```yaml\n(.*?)^```\n\n?((?:\|[^\n]*\n)*)", re.DOTALL | re.MULTILINE)
EXAMPLES = [(found[1], found[2]) for found in EXAMPLE.finditer(PAGE.read_text(encoding="utf-8"))]


def yaml() -> YAML:
    return YAML(typ="safe")


def config_with(folder: Path, written: str) -> Config:
    """A whole configuration with an example in it: a part of a rule, rules, or a part of the file."""
    part = yaml().load(written)
    tree: dict[str, Any] = {
        "workspace": "T0ACME",
        "channel": "C0DELETIONS",
        "roles": {role: {"users": ["U0CAROL"], "owner": "U0CAROL"} for role in ROLES},
        "targets": {
            "crm": {
                "environment": "production",
                "database": {"url": "sqlite:///crm.db"},
                "records": {
                    "customer": {"table": "customers", "find_by": ["id"]},
                    "user": {"table": "users", "find_by": ["email"]},
                },
            }
        },
        "rules": [rule({})],
    }
    if set(part) <= set(keys_of(Rule)):
        tree["rules"] = [rule(part)]
    else:
        tree.update(part)
    text = StringIO()
    yaml().dump(tree, text)
    (folder / "countersign.yml").write_text(text.getvalue(), encoding="utf-8")
    return load(folder / "countersign.yml", None)


def rule(part: dict[str, Any]) -> dict[str, Any]:
    usual = {"name": "example", "when": {"operation": "delete-records"}, "request": ["support"]}
    agreed = {} if {"approve", "stages"} & set(part) else {"approve": ["1 of dba"]}
    return {**usual, **agreed, **part}


def rows(table: str) -> Iterator[tuple[str, str]]:
    for line in table.splitlines()[2:]:
        names, missing = (cell.strip() for cell in line.strip("|").split("|"))
        yield names, missing


CASES = [(written, *row) for written, table in EXAMPLES for row in rows(table) if "approved by" in table]


def test_the_page_has_examples_and_cases() -> None:
    assert len(EXAMPLES) >= 5
    assert len(CASES) >= 15


@pytest.mark.parametrize("written", [written for written, _ in EXAMPLES])
def test_every_example_is_a_configuration(tmp_path: Path, written: str) -> None:
    assert config_with(tmp_path, written).rules


@pytest.mark.parametrize(("written", "names", "missing"), CASES)
def test_every_table_says_what_the_code_says(tmp_path: Path, written: str, names: str, missing: str) -> None:
    asked = config_with(tmp_path, written).rules[0].quorum
    people = [] if names == "nobody" else [name.strip() for name in names.split(",")]
    found = decide([asked], [Voter(name, frozenset(PEOPLE[name].split())) for name in people])
    said = [
        f"{stage.name}: " * bool(stage.name) + "; ".join(plain(need) for need in stage.needs)
        for stage in found.missing
    ]
    assert "; ".join(said) == ("" if missing == "nothing" else missing)
    assert found.reached == (missing == "nothing")
