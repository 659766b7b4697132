"""Others work on the same rows while a deletion runs, and people change their minds: one truth at the end."""

import os
import random
import sqlite3
import threading
import time
from functools import partial
from typing import Any

import psycopg
import pytest

from bot.sandbox.people import DELETIONS
from tests.stories.shop import COLUMNS, Row, insert, key_of
from tests.stories.world import World

PAIRS = [
    pytest.param((kind, kind), marks=pytest.mark.xdist_group(f"{kind}-from-{kind}"), id=kind)
    for kind in ("sqlite", "postgresql")
]
FIRST_LATE = 5_000_000
#: As many as there is time for; ``make kill-matrix`` makes it hundreds.
RUNS = 60 if os.environ.get("KILL_MATRIX") == "all" else 6
pytestmark = [pytest.mark.slow, pytest.mark.timeout(60 + 20 * RUNS)]


@pytest.mark.parametrize("pair", PAIRS)
def test_a_stop_at_any_time_wins_or_comes_too_late(world: World) -> None:
    dice = random.Random(7)
    for _ in range(RUNS):
        request, victim = world.asked()
        world.ballot(request)
        number = world.book("SELECT number FROM requests WHERE id = ?", request)[0][0]
        world.approve(request, "U0BOB", "U0CAROL")
        time.sleep(dice.random())
        answer = world.slack.as_user("U0DAN").command("/countersign", f"stop {number}", channel=DELETIONS)
        assert answer.acked
        world.wait(partial(decided, world, request), "it ends or is stopped")
        if world.state(request) == "succeeded":
            world.deleted(request, victim)
        else:
            world.wait(world.rests, "its job lets go")
            world.untouched()
            assert not world.book("SELECT id FROM backups WHERE request_id = ?", request)
    world.log_is_whole()
    world.busy = False


@pytest.mark.parametrize("pair", PAIRS)
def test_rows_that_come_late_are_in_the_backup_or_still_there(world: World) -> None:
    """A new child means a new vote; one that comes after the lock cannot come, or was no child of a key."""
    dice = random.Random(11)
    for run in range(RUNS):
        request, victim = world.asked()
        world.ballot(request)
        world.approve(request, "U0BOB", "U0CAROL")
        late = Late(world, victim, FIRST_LATE + run * 1000, dice)
        late.start()
        late.join()
        world.vote_until_over(request)
        assert world.state(request) == "succeeded", world.lately()
        live = world.shop.contents()
        stayed = [(table, row) for table, row in late.came if key_of(table, row) in live[table]]
        for table, row in late.came:
            if (table, row) not in stayed:
                world.rows[table][key_of(table, row)] = row
        # What points at a customer who is gone can only be a note: no foreign key holds it.
        assert {table for table, _ in stayed} <= {"notes"}
        world.deleted(request, victim, also={(table, key_of(table, row)): row for table, row in stayed})
    world.log_is_whole()
    world.busy = False


def decided(world: World, request: int) -> bool:
    return world.state(request) in ("succeeded", "stopped")


class Late(threading.Thread):
    """Somebody who adds rows to a customer while others are deleting it."""

    def __init__(self, world: World, victim: int, first: int, dice: random.Random) -> None:
        super().__init__()
        self._shop, self._victim, self._next = world.shop, victim, first
        self._pauses = [dice.random() * 0.5 for _ in range(4)]
        self._kinds = [dice.choice(("deals", "orders", "notes", "customer_tags")) for _ in range(4)]
        self.came: list[tuple[str, Row]] = []

    def run(self) -> None:
        with self._shop.connect() as connection:
            for pause, table in zip(self._pauses, self._kinds, strict=True):
                time.sleep(pause)
                row = dict(zip(COLUMNS[table], self._values(table), strict=True))
                try:
                    insert(self._shop, connection, table, row)
                except (sqlite3.IntegrityError, psycopg.errors.IntegrityError):
                    continue
                self.came.append((table, row))

    def _values(self, table: str) -> tuple[Any, ...]:
        self._next += 1
        return {
            "deals": (self._next, self._victim, None, "late", 0.5),
            "orders": (self._next, self._victim, None, None, "2026-11-25"),
            "notes": (self._next, "customer", self._victim, "late"),
            "customer_tags": (self._victim, 3),
        }[table]
