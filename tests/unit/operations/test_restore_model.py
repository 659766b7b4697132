"""Delete, let anything happen, restore with a choice: the result is that of a slow, obviously right model."""

from collections.abc import Callable, Mapping
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.errors import CountersignError
from bot.model.choices import Mode, RestoreChoice
from tests.fakes.operations import Bench, make_bench
from tests.unit.operations.test_restore_choices import SCHEMA, SOFT

Rows = dict[str, dict[int, tuple[Any, ...]]]
Node = tuple[str, int]

TABLES = ("staff", "customers", "deals", "items", "invoices", "notes")
GONE = ("customers", "deals", "items", "notes")
#: Child, which of its cells names the parent, and the parent.
EDGES = (
    ("customers", 3, "customers"),
    ("deals", 1, "customers"),
    ("deals", 2, "customers"),
    ("deals", 3, "staff"),
    ("items", 1, "deals"),
    ("notes", 2, "customers"),
)


class RefusedError(Exception):
    """Nothing comes back."""


def parents(table: str, row: tuple[Any, ...]) -> list[Node]:
    found = []
    for child, cell, parent in EDGES:
        if child == table and row[cell] is not None and (table != "notes" or row[1] == "customer"):
            found.append((parent, int(row[cell])))
    return found


def chosen(backup: Rows, choice: RestoreChoice) -> set[Node]:
    """Which rows of the backup were asked for."""
    everything = {(table, key) for table in GONE for key in backup[table]}
    if choice.table:
        return {node for node in everything if node[0] == choice.table}
    if not choice.only:
        return everything
    wanted = {("customers", int(value)) for value in choice.only}
    if not wanted <= everything:
        raise RefusedError
    while True:
        more = {
            (table, key)
            for table, key in everything - wanted
            if wanted & set(parents(table, backup[table][key]))
        }
        if not more:
            return wanted
        wanted |= more


def is_clashing(backup: Rows, live: Rows, node: Node) -> bool:
    table, key = node
    row = backup[table][key]
    return table == "customers" and any(
        other != key and there[1] == row[1] for other, there in live["customers"].items()
    )


def is_lost(backup: Rows, live: Rows, wanted: set[Node], node: Node) -> bool:
    return any(
        parent[1] not in live[parent[0]] and parent not in wanted
        for parent in parents(node[0], backup[node[0]][node[1]])
    )


def left_out(backup: Rows, live: Rows, wanted: set[Node]) -> set[Node]:
    """What ``skip`` leaves out, found by asking every row again and again."""
    out: set[Node] = set()
    while True:
        before = len(out)
        for table, key in wanted - out:
            row, there = backup[table][key], live[table].get(key)
            if (there is not None and there != row) or (
                there is None
                and (
                    is_lost(backup, live, wanted, (table, key))
                    or is_clashing(backup, live, (table, key))
                    or out & set(parents(table, row))
                )
            ):
                out.add((table, key))
        if len(out) == before:
            return out


def model(backup: Rows, links: Mapping[int, int], live: Rows, choice: RestoreChoice) -> Rows:
    wanted = chosen(backup, choice)
    back = {
        key: customer
        for key, customer in links.items()
        if not choice.table and (not choice.only or ("customers", customer) in wanted)
    }
    elsewhere = {
        key
        for key, customer in back.items()
        if key in live["invoices"] and live["invoices"][key][1] not in (None, customer)
    }
    if choice.mode is Mode.SKIP:
        out = left_out(backup, live, wanted)
        wanted -= out
        back = {
            key: customer
            for key, customer in back.items()
            if key not in elsewhere and ("customers", customer) not in out
        }
    elif elsewhere:
        raise RefusedError
    changes = {node for node in wanted if live[node[0]].get(node[1]) != backup[node[0]][node[1]]}
    over = {node for node in changes if node[1] in live[node[0]]}
    if over and choice.mode is not Mode.OVERWRITE:
        raise RefusedError
    if any(is_lost(backup, live, wanted, one) or is_clashing(backup, live, one) for one in changes):
        raise RefusedError
    pending = {key for key in back if key in live["invoices"] and live["invoices"][key][1] is None}
    if not changes and not pending:
        raise RefusedError
    after = {table: dict(rows) for table, rows in live.items()}
    for table, key in changes:
        after[table][key] = backup[table][key]
    for key in pending:
        after["invoices"][key] = (key, back[key])
    return after


def look(bench: Bench) -> Rows:
    def cell(value: Any) -> Any:
        return value.decode() if isinstance(value, bytes) else value

    return {
        table: {int(row[0]): tuple(map(cell, row)) for row in bench.ask(f"SELECT * FROM {table}")}
        for table in TABLES
    }


EMAILS = st.sampled_from(["ada@x", "bob@x", "cy@x", "eve@x"])
CUSTOMER = st.integers(1, 5)
EVENTS = st.one_of(
    st.builds("INSERT OR IGNORE INTO customers VALUES ({}, '{}', 'Eve', NULL)".format, CUSTOMER, EMAILS),
    st.builds("UPDATE OR IGNORE customers SET email = '{}' WHERE id = 4".format, EMAILS),
    st.builds("INSERT OR IGNORE INTO customers VALUES (2, 'bob@x', 'Bob', NULL)".format),
    st.builds("INSERT OR IGNORE INTO deals VALUES ({}, 4, NULL, 1)".format, st.integers(10, 13)),
    st.builds("INSERT OR IGNORE INTO deals VALUES (10, 1, NULL, 1)".format),
    st.builds("INSERT OR IGNORE INTO items VALUES ({}, NULL, 'other')".format, st.integers(20, 23)),
    st.builds("INSERT OR IGNORE INTO notes VALUES (60, 'customer', '1', 'x')".format),
    st.builds("DELETE FROM staff WHERE id = {}".format, st.integers(1, 2)),
    st.builds("UPDATE invoices SET customer_id = 4 WHERE id = {}".format, st.integers(30, 32)),
    st.builds("DELETE FROM invoices WHERE id = {}".format, st.integers(30, 32)),
)
MODES = st.sampled_from(Mode)
CHOICES = st.one_of(
    st.builds(RestoreChoice, mode=MODES),
    st.builds(RestoreChoice, mode=MODES, table=st.sampled_from(GONE)),
    st.builds(
        RestoreChoice, mode=MODES, only=st.sets(st.sampled_from("1234"), min_size=1, max_size=2).map(tuple)
    ),
)


@settings(max_examples=120, deadline=None)
@given(st.lists(EVENTS, max_size=4), CHOICES)
def test_what_a_choice_brings_back(
    tmp_path_factory: pytest.TempPathFactory, events: list[str], choice: RestoreChoice
) -> None:
    bench = make_bench(tmp_path_factory.mktemp("model"), SCHEMA, soft=SOFT, policies={})
    before = look(bench)
    gone = bench.delete("1", "2")
    left = look(bench)
    backup = {
        table: {key: row for key, row in rows.items() if key not in left[table]}
        for table, rows in before.items()
    }
    links = {
        key: row[1] for key, row in before["invoices"].items() if left["invoices"][key][1] is None and row[1]
    }
    bench.sql(";".join(events))
    live = look(bench)
    expected = attempt(lambda: model(backup, links, live, choice), RefusedError)
    found = attempt(lambda: bench.choose(gone.backup, choice), CountersignError)
    assert (found is None) == (expected is None)
    assert look(bench) == (expected or live)
    if found is not None:
        assert found.problem is None


def attempt(act: Callable[[], Any], refusal: type[Exception]) -> Any:
    try:
        return act()
    except refusal:
        return None
