"""Others insert, hand on and delete all the time while rows are handed over: no row is lost, none points nowhere."""

import random
import threading
from pathlib import Path

import psycopg

from bot.errors import TargetDown
from bot.operations.gate import Drifted
from tests.fakes.operations import Bench
from tests.unit.operations.link_bench import ORDERS, SCHEMA, postgresql

RUNS, WRITERS, TRIES = 4, 3, 60
LEAVER, HEIR = 2, 1


class Writer(threading.Thread):
    """Changes orders at random until it is told to stop, and keeps count of those that there are."""

    def __init__(self, bench: Bench, number: int, stop: threading.Event) -> None:
        super().__init__(daemon=True)
        self.balance = 0
        self._bench, self._number, self._stop_it = bench, number, stop
        self._dice = random.Random(number)

    def run(self) -> None:
        step = self._number * 10**6
        with psycopg.connect(self._bench.spec.address, autocommit=True) as connection:
            while not self._stop_it.is_set():
                step += 1
                self._act(connection, step)

    def _act(self, connection: "psycopg.Connection[tuple[object, ...]]", fresh: int) -> None:
        owner = LEAVER if self._dice.random() < 0.004 else self._dice.choice([HEIR, 3, 4])
        some = "(SELECT id FROM orders WHERE owner_id <> 2 ORDER BY random() LIMIT 1)"
        kind = self._dice.choice(["insert", "insert", "hand on", "delete"])
        try:
            if kind == "insert":
                connection.execute("INSERT INTO orders VALUES (%s, %s, 0)", [fresh, owner])
                self.balance += 1
            elif kind == "hand on":
                connection.execute(f"UPDATE orders SET owner_id = %s WHERE id = {some}", [owner])
            else:
                self.balance -= connection.execute(f"DELETE FROM orders WHERE id = {some}").rowcount
        except (psycopg.errors.ForeignKeyViolation, psycopg.errors.DeadlockDetected):
            # The leaver is gone, or we stood in the way and had to give it.
            return


def handed_over(bench: Bench) -> dict[str, int]:
    """Ask again and again, as people and the crew do, until it has happened."""
    for _ in range(TRIES):
        try:
            return dict(bench.delete("bob@x", heir="ann@x").reassigned)
        except (Drifted, TargetDown):
            continue
    raise AssertionError("it should have happened at least once")


def test_nothing_is_lost_while_others_write(tmp_path: Path) -> None:
    for number in range(RUNS):
        folder = tmp_path / str(number)
        folder.mkdir()
        with postgresql(folder, SCHEMA) as bench:
            stop = threading.Event()
            writers = [Writer(bench, number + 1, stop) for number in range(WRITERS)]
            for writer in writers:
                writer.start()
            moved = handed_over(bench)
            stop.set()
            for writer in writers:
                writer.join(20)
                assert not writer.is_alive()
            ((left,),) = bench.ask("SELECT count(*) FROM orders WHERE owner_id = 2")
            ((there,),) = bench.ask("SELECT count(*) FROM orders")
            assert left == 0
            assert there == 3 + sum(writer.balance for writer in writers)
            assert moved[ORDERS] >= 2
