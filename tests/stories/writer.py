"""A program that never stops writing to the target, and the journal by which every row can be explained.

Two threads: one makes, changes and deletes customers of its own with everything that hangs off them; the
other changes contents of rows that the product is deleting and bringing back, and of the friends whose links
it empties. A change is journalled when its COMMIT has returned; a change that met no row is none.
"""

import json
import random
import subprocess
import sys
import threading
import traceback
from pathlib import Path
from typing import Any

from tests.stories.shop import (
    COLUMNS,
    FIRST_FRIEND,
    FIRST_OTHER,
    KEYS,
    OTHERS,
    Row,
    Rows,
    Shop,
    household,
    insert,
    key_of,
)

ROOT = Path(__file__).resolve().parents[2]
FIRST_MADE = 100_000
PAUSE = 0.01
Change = tuple[str, str, list[Any], Row]


class Writer:
    """The test's side of it."""

    def __init__(self, shop: Shop, victims: int, folder: Path, seed: int = 1) -> None:
        self.journal = folder / "journal"
        self.journal.touch()
        self._read = 0
        with (folder / "writer.log").open("ab") as log:
            self._process = subprocess.Popen(
                [
                    sys.executable,
                    "-m",
                    "tests.stories.writer",
                    shop.url,
                    str(victims),
                    str(self.journal),
                    str(seed),
                ],
                cwd=ROOT,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )
        self._answer("ready")

    def pause(self) -> None:
        """Returns when no transaction of it is open; what it wrote is in the journal."""
        self._tell("pause")
        self._answer("paused")

    def go_on(self) -> None:
        self._tell("go")

    def news(self) -> list[Change]:
        """What was committed since the last time."""
        with self.journal.open(encoding="utf-8") as journal:
            journal.seek(self._read)
            lines = journal.readlines()
            self._read = journal.tell()
        return [change for line in lines for change in json.loads(line)]

    def close(self) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait(30)
        self._process.stdout.close()

    def _tell(self, word: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(f"{word}\n")
        self._process.stdin.flush()

    def _answer(self, wanted: str) -> None:
        assert self._process.stdout is not None
        found = self._process.stdout.readline().strip()
        assert found == wanted, f"the writer says {found!r}"


def replay(rows: Rows, changes: list[Change]) -> None:
    """Do to ``rows`` what the writer did to the database."""
    for kind, table, key, values in changes:
        row = {name: _thawed(value) for name, value in values.items()}
        if kind == "insert":
            rows[table][tuple(key)] = row
        elif kind == "update":
            rows[table][tuple(key)] |= row
        else:
            del rows[table][tuple(key)]


class _Hand:
    """One thread that writes."""

    def __init__(self, shop: Shop, journal: "_Journal", dice: random.Random, brake: "_Brake") -> None:
        self._shop, self._journal, self._dice, self._brake = shop, journal, dice, brake
        self._made = list(range(FIRST_OTHER, FIRST_OTHER + OTHERS))
        self._next = FIRST_MADE
        self._connection: Any = None
        self._changes: list[Change] = []

    def others(self) -> None:
        self._loop(self._other)

    def victims(self, count: int) -> None:
        self._loop(lambda: self._victim(self._dice.randint(1, count)))

    def _loop(self, act: Any) -> None:
        with self._shop.connect() as self._connection:
            while self._brake.may():
                self._changes = []
                self._connection.execute("BEGIN IMMEDIATE" if self._shop.is_sqlite else "BEGIN")
                act()
                self._connection.execute("COMMIT")
                self._journal.write(self._changes)
                self._brake.wait(PAUSE * (0.5 + self._dice.random()))

    def _other(self) -> None:
        roll = self._dice.random()
        if roll < 0.25:
            self._make(self._next)
            self._made.append(self._next)
            self._next += 1
        elif roll < 0.4 and len(self._made) > 5:
            self._unmake(self._made.pop(self._dice.randrange(len(self._made))))
        else:
            customer = self._dice.choice(self._made)
            self._update("customers", (customer,), score=self._dice.random())
            self._update("order_lines", (customer * 10, 1), quantity=self._dice.randint(1, 99))

    def _make(self, customer: int) -> None:
        for table, *values in household(customer):
            row = dict(zip(COLUMNS[table], values, strict=True))
            insert(self._shop, self._connection, table, row)
            self._changes.append(("insert", table, list(key_of(table, row)), _frozen(row)))

    def _unmake(self, customer: int) -> None:
        made = household(customer)
        for wanted in ("notes", "order_lines", "customer_tags", "invoices", "orders", "deals", "customers"):
            for table, *values in made:
                if table == wanted:
                    key = key_of(table, dict(zip(COLUMNS[table], values, strict=True)))
                    self._run("DELETE FROM {} WHERE {}", table, key, {})

    def _victim(self, customer: int) -> None:
        one = customer * 10 + self._dice.randint(0, 1)
        # One row at a time: two in the wrong order would be a deadlock, of which the deletion may be the loser.
        match self._dice.randint(0, 5):
            case 0:
                self._update("deals", (one,), amount=self._dice.random())
            case 1:
                self._update("order_lines", (one, 1), quantity=self._dice.randint(1, 99))
            case 2:
                self._update("notes", (one * 10,), body=f'"{self._dice.random()}",\n')
            case 3:
                self._update("customers", (customer,), remark=f"{self._dice.random()}")
            case 4:
                self._update("invoices", (one,), total=self._dice.random())
            case _:
                self._update("customers", (FIRST_FRIEND + customer,), score=self._dice.random())

    def _update(self, table: str, key: tuple[Any, ...], **values: Any) -> None:
        sets = ", ".join(f"{name} = ?" for name in values)
        self._run(f"UPDATE {{}} SET {sets} WHERE {{}}", table, key, values)

    def _run(self, query: str, table: str, key: tuple[Any, ...], values: Row) -> None:
        names = " AND ".join(f"{name} = ?" for name in KEYS[table])
        done = self._connection.execute(self._shop.sql(query.format(table, names)), [*values.values(), *key])
        if done.rowcount == 1:
            kind = "update" if values else "delete"
            self._changes.append((kind, table, list(key), _frozen(values)))


class _Journal:
    def __init__(self, path: Path) -> None:
        self._file = path.open("a", encoding="utf-8")
        self._lock = threading.Lock()

    def write(self, changes: list[Change]) -> None:
        if changes:
            with self._lock:
                print(json.dumps(changes), file=self._file, flush=True)


class _Brake:
    """Stops two threads between their transactions."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._running, self._ended, self._standing = True, False, 0

    def may(self) -> bool:
        with self._changed:
            if not self._running:
                self._standing += 1
                self._changed.notify_all()
                self._changed.wait_for(lambda: self._running or self._ended)
                self._standing -= 1
                self._changed.notify_all()
            return not self._ended

    def wait(self, seconds: float) -> None:
        with self._changed:
            self._changed.wait_for(lambda: not self._running or self._ended, seconds)

    def pull(self, threads: int) -> None:
        with self._changed:
            self._running = False
            self._changed.notify_all()
            self._changed.wait_for(lambda: self._standing == threads)

    def release(self) -> None:
        with self._changed:
            self._running = True
            self._changed.notify_all()
            self._changed.wait_for(lambda: not self._standing)

    def end(self) -> None:
        with self._changed:
            self._ended = True
            self._changed.notify_all()


def _frozen(row: Row) -> Row:
    return {name: {"hex": value.hex()} if isinstance(value, bytes) else value for name, value in row.items()}


def _thawed(value: Any) -> Any:
    return bytes.fromhex(value["hex"]) if isinstance(value, dict) else value


def _say(word: str) -> None:
    sys.stdout.write(f"{word}\n")
    sys.stdout.flush()


def main(url: str, victims: str, journal: str, seed: str) -> None:
    shop, brake, book = Shop(url), _Brake(), _Journal(Path(journal))
    first, second = (
        _Hand(shop, book, random.Random(f"{seed}-{name}"), brake) for name in ("others", "victims")
    )

    def run(act: Any) -> None:
        try:
            act()
        except BaseException:
            traceback.print_exc()
            raise

    threads = [
        threading.Thread(target=run, args=(first.others,), daemon=True),
        threading.Thread(target=run, args=(lambda: second.victims(int(victims)),), daemon=True),
    ]
    for thread in threads:
        thread.start()
    _say("ready")
    for line in sys.stdin:
        if line.strip() == "pause":
            brake.pull(len(threads))
            _say("paused")
        else:
            brake.release()
    brake.end()
    for thread in threads:
        thread.join(20)


if __name__ == "__main__":
    main(*sys.argv[1:])
