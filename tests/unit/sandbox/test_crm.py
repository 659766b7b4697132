"""The sample CRM: the same each time, sound, and full of what breaks careless code."""

import sqlite3
from contextlib import closing
from importlib import resources
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from bot.config.load import load
from bot.sandbox import crm
from bot.sandbox.people import DELETIONS, TEAM


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("crm") / "crm.db"
    crm.create(file)
    return file


def ask(path: Path, query: str) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute(query).fetchall()


def test_the_same_seed_gives_the_same_rows_and_another_seed_others(path: Path, tmp_path: Path) -> None:
    counts = crm.create(tmp_path / "again.db")
    crm.create(tmp_path / "other.db", seed=8)
    assert crm.contents(tmp_path / "again.db") == crm.contents(path)
    assert crm.contents(tmp_path / "other.db") != crm.contents(path)
    assert 3000 <= sum(counts.values()) <= 6000


def test_nothing_is_overwritten(path: Path) -> None:
    with pytest.raises(FileExistsError):
        crm.create(path)


def test_every_reference_holds(path: Path) -> None:
    assert ask(path, "PRAGMA foreign_key_check") == []
    for kind, table in (("customer", "customers"), ("order", "orders"), ("deal", "deals")):
        there = f"SELECT id FROM {table}"
        dangling = f"SELECT 1 FROM notes WHERE subject_type = '{kind}' AND subject_id NOT IN ({there})"
        assert ask(path, dangling) == []


HANGING_OFF_ADA = {
    "deals": "deals WHERE customer_id = :ada",
    "orders": "orders WHERE customer_id = :ada",
    "an order without a deal": "orders WHERE customer_id = :ada AND deal_id IS NULL",
    "order lines": "order_lines JOIN orders ON id = order_id WHERE customer_id = :ada",
    "invoices both ways": (
        "orders o JOIN invoices i ON i.order_id = o.id AND o.invoice_id = i.id WHERE o.customer_id = :ada"
    ),
    "notes of her own": "notes WHERE subject_type = 'customer' AND subject_id = :ada",
    "notes of her orders": (
        "notes JOIN orders o ON o.id = subject_id WHERE subject_type = 'order' AND customer_id = :ada"
    ),
    "notes of her deals": (
        "notes JOIN deals d ON d.id = subject_id WHERE subject_type = 'deal' AND customer_id = :ada"
    ),
    "tags": "customer_tags WHERE customer_id = :ada",
    "somebody she referred": "customers WHERE referred_by = :ada",
    "an avatar with every byte": "customers WHERE id = :ada AND length(avatar) = 256",
    "an address of her own": "customers WHERE email = 'ada@example.com' AND id = :ada",
}


@pytest.mark.parametrize("what", HANGING_OFF_ADA)
def test_ada_has(path: Path, what: str) -> None:
    assert ask(path, f"SELECT 1 FROM {HANGING_OFF_ADA[what]}".replace(":ada", str(crm.ADA)))


ODDITIES = {
    "a phone that is NULL": "phone IS NULL",
    "a phone that is empty": "phone = ''",
    "a customer who would ping everybody": "name = '<!channel>'",
    "a customer who would drop the table": "name LIKE 'O''Brien; DROP TABLE%'",
    "a name over two lines": "instr(name, char(10)) > 0",
    "a Chinese name": "name = '王小明'",
    "an Arabic name": "name LIKE 'محمد%'",
    "a name of emoji": "name LIKE '👩%'",
    "the same look in two spellings": "name LIKE '%cafe' || char(769)",
    "a blob with NUL": "instr(avatar, x'00') > 0",
    "a float of 17 digits": "score = 0.1 + 0.2",
    "the greatest float": "score = 1e308",
    "no e-mail at all": "email IS NULL",
    "an empty remark": "remark = ''",
}


@pytest.mark.parametrize("what", ODDITIES)
def test_among_the_customers_is(path: Path, what: str) -> None:
    assert ask(path, f"SELECT 1 FROM customers WHERE {ODDITIES[what]}")


def test_one_foreign_key_has_no_index_on_purpose(path: Path) -> None:
    unindexed = []
    for table in crm.TABLES:
        indexes = [str(index[1]) for index in ask(path, f"PRAGMA index_list({table})")]
        leading = {ask(path, f"PRAGMA index_info({index})")[0][2] for index in indexes}
        keys = [key[3] for key in ask(path, f"PRAGMA foreign_key_list({table})")]
        unindexed += [f"{table}.{key}" for key in keys if key not in leading]
    assert unindexed == ["orders.deal_id"]


def test_the_configuration_of_the_sandbox_is_one(path: Path) -> None:
    with resources.as_file(resources.files("bot.sandbox").joinpath("sandbox.yml")) as file:
        config = load(file, {"CRM_DATABASE_URL": f"sqlite:///{path}"})
    assert config.workspace == TEAM
    assert config.channel == DELETIONS


def test_the_configuration_of_the_sandbox_names_only_what_is_there(path: Path) -> None:
    text = resources.files("bot.sandbox").joinpath("sandbox.yml").read_text(encoding="utf-8")
    target = YAML(typ="safe").load(text)["targets"]["crm"]
    columns = {table: {row[1] for row in ask(path, f"PRAGMA table_info({table})")} for table in crm.TABLES}
    for record in target["records"].values():
        assert set(record["find_by"]) <= columns[record["table"]]
    for link in target["soft_references"]:
        for end in (link["from"], link["to"]):
            table, column = end.split(".")
            assert column in columns[table]
