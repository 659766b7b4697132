"""The example is the documentation: it loads, it is complete, and it has no findings."""

import re
import tempfile
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel

from bot.config.check import findings
from bot.config.lines import read
from bot.config.load import load, variables
from bot.config.problems import Place
from bot.config.shapes import EXAMPLES, SHAPES, keys_of, shape_at
from bot.config.types import Config
from bot.model.people import PersonFacts, RosterFacts
from bot.model.requests import Operation
from bot.settings import BOT_VARIABLES

AROUND = """\
workspace: T0ACME
channel: C0DELETIONS
roles: {dba: {users: [U0BOB]}}
targets:
  crm:
    database: {url: "sqlite:///crm.db"}
    RECORDS
rules: [{name: all, when: {operation: restore}, request: [dba], approve: [1 of dba]}]
"""
EXAMPLE = Path(__file__).parents[3] / "countersign.example.yml"


def mappings(tree: Any, place: Place = ()) -> Iterator[tuple[Place, dict[str, Any]]]:
    if isinstance(tree, dict):
        yield place, tree
        for key, value in tree.items():
            yield from mappings(value, (*place, key))
    if isinstance(tree, list):
        for number, value in enumerate(tree):
            yield from mappings(value, (*place, number))


def models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for part in get_args(annotation):
        yield from models_in(part)


def test_the_example_loads_for_the_bot_and_for_the_worker() -> None:
    secrets = {"CRM_S3_KEY_ID": "crm", "CRM_S3_SECRET": "s"}
    secrets["SHOP_DATABASE_URL"] = "mysql://worker@/shop"
    secrets["NEWSLETTER_DATABASE_URL"] = "postgresql://worker@/shared"
    assert variables(EXAMPLE) == {"CRM_ADMIN_TOKEN", "CRM_DATABASE_URL", *secrets}
    assert load(EXAMPLE, None).targets["crm"].address == "${CRM_DATABASE_URL}"
    resolved = load(EXAMPLE, {"CRM_DATABASE_URL": "postgresql://worker@/crm", **secrets})
    assert resolved.backups.keep == timedelta(days=30)
    assert not variables(EXAMPLE) & set(BOT_VARIABLES)


def test_the_example_uses_every_key_there_is(tmp_path: Path) -> None:
    """What it says of a bucket stands in comments, which hold as they are."""
    folder = '  store: "file:./backups"\n'
    text = EXAMPLE.read_text()
    assert folder in text
    file = tmp_path / "countersign.yml"
    file.write_text(re.sub(r"(?m)^  # (?=(store|region|endpoint|lock): )", "  ", text.replace(folder, "")))
    assert load(file, None).backups.lock
    used: dict[type[BaseModel], set[str]] = {}
    for place, mapping in mappings(read(file).tree):
        model = shape_at(place)
        if model is not None:
            used.setdefault(model, set()).update(mapping)
    assert used == {model: set(keys_of(model)) for model in SHAPES.values()}


def test_the_example_uses_every_operation() -> None:
    used = {operation for rule in load(EXAMPLE, None).rules for operation in rule.when.operation}
    assert used == set(Operation)


def test_the_example_states_the_defaults_that_it_says_are_defaults() -> None:
    text = EXAMPLE.read_text()
    claimed = {"language: en", "max_lock: 30s", "cooling_off: 10s", "drift: {rows: 0}", "keep: 30d"}
    claimed |= {"running: true", "timeout: 60s"}
    lines = [line.strip() for line in text.splitlines()]
    stated = {lines[n + 1] for n, line in enumerate(lines) if "This is the default" in line}
    assert stated == claimed
    without = "\n".join(line for line in text.splitlines() if line.strip() not in claimed)
    config = load(EXAMPLE, None)
    assert config.rules[0].model_dump() == _without(without).rules[0].model_dump()
    assert config.backups.keep == _without(without).backups.keep
    assert config.targets["crm"].max_lock == _without(without).targets["crm"].max_lock
    assert re.search(r"The default is 24h", text)
    assert config.rules[2].expires == timedelta(hours=24)


def _without(text: str) -> Config:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "c.yml"
        file.write_text(text)
        return load(file, None)


def test_the_example_has_no_findings() -> None:
    config = load(EXAMPLE, None)
    users = (*config.users, "U0FRED", "U0GINA", "U0HANA")
    people = {user: PersonFacts(user, "T0ACME", user.title()) for user in users}
    groups = {"S0DBA": ("U0FRED", "U0GINA"), "S0ONCALL": ("U0HANA",)}
    assert findings(config, None) == ()
    assert findings(config, RosterFacts(people, groups)) == ()


def test_every_type_of_the_file_has_its_place_and_every_key_an_example() -> None:
    reached: set[type[BaseModel]] = {Config}
    for model in SHAPES.values():
        for field in model.model_fields.values():
            reached.update(models_in(field.annotation))
    assert reached == set(SHAPES.values())
    assert {key for model in SHAPES.values() for key in keys_of(model)} == set(EXAMPLES)


def test_the_records_of_the_documentation_load(tmp_path: Path) -> None:
    page = (EXAMPLE.parent / "docs/records.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```yaml\n(.*?)```", page, re.DOTALL)
    policies: set[str] = set()
    for block in blocks:
        indented = "".join(f"    {line}\n" for line in block.splitlines())
        file = tmp_path / "countersign.yml"
        file.write_text(AROUND.replace("    RECORDS\n", indented), encoding="utf-8")
        records = load(file, None).targets["crm"].records
        policies |= {policy for record in records.values() for policy in record.links.values()}
    assert policies == {"nullify", "block", "reassign"}
