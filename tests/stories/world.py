"""A world that outlives many kills: one Slack, one shop with a busy writer, bots and workers that come and go.

A kill test asks for a deletion, seals a fate, lets people approve, starts whoever died anew, and has everything
looked at from outside. Starting a world costs seconds, so it serves as many kills as go well.
"""

import hashlib
import os
import shutil
import signal
import sqlite3
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Any, Self, TypeVar

import psycopg
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from bot.sandbox.people import APP_USER, DELETIONS, installed, seeded
from bot.sandbox.slack.responses import shown_text
from bot.sandbox.slack.server import Slack
from bot.sandbox.slack.workspace import Message
from bot.settings import PLAIN_VARIABLES, environment_for, read_environment
from tests.stories import outsider
from tests.stories.fates import Fate, seal, sealed
from tests.stories.nursery import Nursery
from tests.stories.shop import Key, Row, Rows, Shop, closure, first_rows
from tests.stories.writer import Writer, replay

ROOT = Path(__file__).resolve().parents[2]
PATIENCE = 90.0
YES, NO = "white_check_mark", "x"
VICTIMS = 400
AHEAD = 4
Result = TypeVar("Result")


class World:
    """``with World(folder, own, target)``: URLs of our own database and of the target's, both empty."""

    def __init__(self, folder: Path, own: str, target: str, victims: int = VICTIMS) -> None:
        self.folder = folder
        self.own = own
        self.shop = Shop(target)
        self.busy = False
        self._victims = iter(range(1, victims + 1))
        self._count = victims
        self.rows: Rows = first_rows(victims)
        self.gone: dict[int, tuple[dict[str, dict[Key, Row]], list[Key]]] = {}
        self._asked: list[tuple[int, int]] = []
        self._restorable: list[tuple[int, int]] = []
        self._pids: dict[str, int] = {}
        self._stack = ExitStack()
        self._server: psycopg.Connection[Any] | None = None

    def __enter__(self) -> Self:
        self.folder.mkdir(parents=True, exist_ok=True)
        text = (ROOT / "bot/sandbox/sandbox.yml").read_text(encoding="utf-8")
        text = text.replace("cooling_off: 2s", "cooling_off: 0s").replace("max_lock: 30s", "max_lock: 20s")
        (self.folder / "countersign.yml").write_text(text, encoding="utf-8")
        with ExitStack() as stack:
            self.nursery = Nursery(self.folder / "nursery.log")
            stack.callback(self.nursery.close)
            grants = installed()
            core = seeded(scopes=grants["scopes"], events=grants["events"], commands=grants["commands"])
            self.slack = Slack(core, retry_delays=(0.2, 2.0, 2.0), ping_every=5.0)
            self.slack.start()
            stack.callback(self.slack.stop)
            self.shop.create(self._count)
            self.writer = Writer(self.shop, self._count, self.folder)
            stack.callback(self.writer.close)
            self.start("worker")
            self.start("bot")
            # Before its first sign of life nobody serves the system, and requests are refused.
            self.wait(lambda: self.book("SELECT 1 FROM processes WHERE kind = 'worker'"), "a worker")
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        if self._server is not None:
            self._server.close()
        self._stack.close()

    # who lives

    def start(self, part: str, *fates: Fate) -> None:
        """Start a worker or a bot; a bot is there when it is connected."""
        if fates:
            self.seal(part, *fates)
        if part == "bot":
            self.slack.wait_for(lambda: not self.slack.links.count, PATIENCE)
        pid = self.nursery.start(
            part, self._environment(part), self._fates(part), self.folder / f"{part}.log"
        )
        self._pids[part] = pid
        if part == "bot":
            self.slack.wait_for(lambda: self.slack.links.count >= 1, PATIENCE)

    def seal(self, part: str, *fates: Fate) -> None:
        """What will happen to a worker at its next job, or to a bot at its next start."""
        seal(self._fates(part), fates)

    def fulfilled(self, part: str) -> bool:
        """Whether every sealed fate has struck."""
        return not sealed(self._fates(part))

    def dies(self, part: str) -> None:
        """Wait until it has killed itself."""
        status = self.nursery.ended(self._pids[part], PATIENCE)
        assert status == -signal.SIGKILL, f"{part} ended with {status}: {self.lately()}"

    def kill(self, part: str) -> None:
        """Kill it from outside."""
        os.kill(self._pids[part], signal.SIGKILL)
        assert self.nursery.ended(self._pids[part], PATIENCE) is not None

    def lately(self) -> str:
        """The ends of the logs."""
        logs = [self.folder / f"{name}.log" for name in ("worker", "bot", "writer", "nursery")]
        return "\n".join(log.read_text(errors="replace")[-1500:] for log in logs if log.exists())

    def _fates(self, part: str) -> Path:
        return self.folder / f"{part}.fates"

    def _environment(self, part: str) -> dict[str, str]:
        variables = read_environment().variables
        whole = {
            **{name: value for name, value in variables.items() if name in PLAIN_VARIABLES},
            "COUNTERSIGN_CONFIG": str(self.folder / "countersign.yml"),
            "COUNTERSIGN_DATA_DIR": str(self.folder / "data"),
            "COUNTERSIGN_DATABASE_URL": self.own,
            "CRM_DATABASE_URL": self.shop.url,
            **self.slack.environment(),
        }
        return environment_for(part, read_environment(whole), frozenset({"CRM_DATABASE_URL"}))

    # what people do

    def asked(self) -> tuple[int, int]:
        """A request for a deletion that waits for votes, and its victim. Some wait ahead."""
        while len(self._asked) < AHEAD:
            victim = self.victim()
            self._asked.append((self.file("U0ALICE", "/delete-records", deletion_of(victim)), victim))
        return self._asked.pop(0)

    def victim(self) -> int:
        """A customer whom nobody has touched yet."""
        return next(self._victims)

    def quiet(self) -> None:
        """Everything that waits ahead has been said."""
        for request, _ in self._asked:
            self.ballot(request)

    def file(self, who: str, command: str, text: str) -> int:
        """Type a command that opens a request; the request."""
        before = self.newest()
        answer = self.slack.as_user(who).command(command, text, channel=DELETIONS)
        assert answer.acked, answer.error
        try:
            self.wait(lambda: self.newest() > before, f"{command} opens a request")
        except TimeoutError as late:
            said = [shown_text(one) for one in self.slack.as_user(who).private()]
            raise TimeoutError(f"{late}\n{said[-1:]}") from None
        return self.newest()

    def newest(self) -> int:
        """The newest request."""
        return int(self.book("SELECT coalesce(max(id), 0) FROM requests")[0][0])

    def ballot(self, request: int, revision: int = 1) -> Message:
        """The ballot, ready for votes."""

        def ready() -> Message | None:
            found = self.messages(f"ballot:{request}:{revision}")
            return found[0] if found and {YES, NO} <= set(found[0].reactions) else None

        found = self.slack.wait_for(ready, PATIENCE)
        assert found is not None
        return found

    def approve(self, request: int, *who: str, revision: int = 1) -> None:
        ballot = self.ballot(request, revision)
        for person in who:
            self.slack.as_user(person).react(DELETIONS, ballot.ts, YES)

    def restorable(self) -> tuple[int, int]:
        """A deletion that went well and was not yet undone: request and victim."""
        if not self._restorable:
            request, victim = self.asked()
            self.approve(request, "U0BOB", "U0CAROL")
            self.ends(request, "succeeded")
            self.deleted(request, victim)
        return self._restorable.pop(0)

    def ask_back(self, deletion: int) -> int:
        """Ask for the restore of a deletion; the restore's request."""
        number = self.book("SELECT number FROM requests WHERE id = ?", deletion)[0][0]
        return self.file("U0ERIN", "/restore", f"#{number} -- kill test")

    # what is true

    def wait(self, look: Callable[[], Result], what: str, patience: float = PATIENCE) -> Result:
        deadline = time.monotonic() + patience
        while time.monotonic() < deadline:
            found = look()
            if found:
                return found
            time.sleep(0.02)
        raise TimeoutError(f"{what}\n{self.lately()}")

    @contextmanager
    def _books(self) -> Iterator[Any]:
        if self.own.startswith("sqlite"):
            path = self.own.removeprefix("sqlite:///")
            with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=30)) as connection:
                yield connection
        else:
            # One for all looks: a new session each time kept the server busier than the work that was watched.
            if self._server is None or self._server.closed:
                self._server = psycopg.connect(self.own, autocommit=True)
            yield self._server

    def book(self, query: str, *values: Any) -> list[Any]:
        """Our own database, read by its own program."""
        with self._books() as connection:
            marked = query if self.own.startswith("sqlite") else query.replace("?", "%s")
            return list(connection.execute(marked, values).fetchall())

    def state(self, request: int) -> str:
        return str(self.book("SELECT state FROM requests WHERE id = ?", request)[0][0])

    def ends(self, request: int, state: str) -> None:
        """The request comes to its end, and it is this one."""
        over = ("succeeded", "held", "failed", "stopped", "refused", "cancelled", "expired", "rejected")
        self.wait(lambda: self.state(request) in over, f"request {request} is {self.state(request)}")
        found = self.book("SELECT state, outcome FROM requests WHERE id = ?", request)[0]
        assert found[0] == state, f"request {request}: {found}; {self.lately()}"

    def vote_until_over(self, request: int) -> None:
        """Approve every revision that is put to the vote, until the request is over."""
        voted = 1

        def over() -> bool:
            nonlocal voted
            state, revision = self.book("SELECT state, revision FROM requests WHERE id = ?", request)[0]
            if state == "pending" and revision > voted:
                voted = revision
                self.approve(request, "U0BOB", "U0CAROL", revision=revision)
            return state in ("succeeded", "held", "failed", "refused")

        self.wait(over, f"request {request} is over")

    def rests(self) -> bool:
        """No attempt is under way: the store holds booked backups only."""
        kept = {one[0] for one in self.book("SELECT id FROM backups")}
        names = {path.name for path in (self.folder / "backups").iterdir()}
        return not [
            one for one in names if not one.endswith(".shredded.txt") and one.partition(".")[0] not in kept
        ]

    def messages(self, subject: str) -> list[Message]:
        """Our messages about one subject, by their metadata."""
        return [one for name, one in self._ours() if name == subject]

    def _ours(self) -> list[tuple[str, Message]]:
        with self.slack.core.changed:
            room = list(self.slack.core.workspace.messages.get(DELETIONS, {}).values())
        # A message that carries a file has no metadata; its words name the request.
        return [
            (str(((one.metadata or {}).get("event_payload") or {}).get("subject") or one.text), one)
            for one in room
            if one.user == APP_USER
        ]

    def told_once(self, request: int) -> None:
        """Card, plan, ballot and receipt stand there, each once; so does everything else we ever said."""
        mine = [f"card:{request}", f"plan:{request}:1", f"ballot:{request}:1", f"receipt:{request}"]
        self.wait(lambda: all(self.messages(one) for one in mine), f"messages {mine}")
        ours = self._ours()
        often = Counter(name for name, _ in ours)
        twice = [(name, one.ts, one.text) for name, one in ours if often[name] > 1]
        assert not twice, f"said twice: {twice}; {self.lately()}"

    def deleted(self, request: int, victim: int, also: Mapping[tuple[str, Key], Row] | None = None) -> None:
        """From outside: what went is what the backup holds, every other row is explained, nothing twice.

        ``also``: rows that somebody else added after the customer had gone.
        """
        with self._at_rest():
            went, links = closure(self.rows, victim)
            rows = {table: {key: self.rows[table].pop(key) for key in keys} for table, keys in went.items()}
            for key in links:
                self.rows["customers"][key]["referred_by"] = None
            for (table, key), row in (also or {}).items():
                self.rows[table][key] = row
            self._explained()
        backup, archive = self._backup(request)
        assert _same(archive[0], rows), f"the backup {backup} does not hold what went"
        assert sorted(int(row["id"]) for row in archive[1]) == sorted(key[0] for key in links)
        assert all(int(row["referred_by"]) == victim for row in archive[1])
        self.gone[victim] = (rows, links)
        self._booked_once(request)
        self._restorable.append((request, victim))

    def restored(self, request: int, victim: int) -> None:
        """From outside: every row is back as it went, links too, every other row is explained."""
        rows, links = self.gone.pop(victim)
        for table, found in rows.items():
            self.rows[table] |= found
        for key in links:
            self.rows["customers"][key]["referred_by"] = victim
        with self._at_rest():
            self._explained()
        self._booked_once(request, backups=0)

    def untouched(self) -> None:
        """From outside: nothing was deleted or changed but by the writer."""
        with self._at_rest():
            self._explained()

    @contextmanager
    def _at_rest(self) -> Iterator[None]:
        self.writer.pause()
        try:
            replay(self.rows, self.writer.news())
            yield
        finally:
            self.writer.go_on()

    def _explained(self) -> None:
        live = self.shop.contents()
        for table, rows in self.rows.items():
            assert live[table] == rows, f"{table}: {_difference(live[table], rows)}"

    def _backup(self, request: int) -> tuple[str, tuple[dict[str, dict[Key, Row]], list[Row]]]:
        found = self.book("SELECT id, state FROM backups WHERE request_id = ?", request)
        assert len(found) == 1
        assert found[0][1] == "kept"
        aside = self.folder / "opened"
        try:
            master = self.folder / "data" / "worker" / "master.key"
            return found[0][0], outsider.tables(self.folder / "backups", found[0][0], master, aside)
        finally:
            shutil.rmtree(aside)

    def _booked_once(self, request: int, backups: int = 1) -> None:
        """A permit for each job, one commit in the log, one backup in the books, nothing else in the store."""
        permits = self.book("SELECT job_id FROM permits WHERE request_id = ? AND state = 'consumed'", request)
        jobs = self.book(
            "SELECT id, state FROM jobs WHERE request_id = ? AND state <> 'turned-away'", request
        )
        assert sorted(job for (job,) in permits) == sorted(job for job, _ in jobs)
        assert sorted(state for _, state in jobs) == ["done", *["drifted"] * (len(jobs) - 1)]
        entries = [one[0] for one in self.book("SELECT entry FROM audit_log ORDER BY seq")]
        mine = [one for one in entries if one.endswith(f'"request":{request}}}')]
        once = ("committed", "job-done", "permit-taken")
        kinds = Counter(kind for kind in once for one in mine if f'"kind":"{kind}"' in one)
        wanted_kinds = {"committed": 1, "job-done": 1, "permit-taken": len(jobs)}
        assert kinds == wanted_kinds, mine
        assert len(self.book("SELECT id FROM backups WHERE request_id = ?", request)) == backups
        kept = {one[0] for one in self.book("SELECT id FROM backups WHERE state = 'kept'")}
        wanted = {f"{one}{end}" for one in kept for end in (".age", ".key.age", ".README.txt")}
        store = {path.name for path in (self.folder / "backups").iterdir()}
        assert {name for name in store if not name.endswith(".shredded.txt")} == wanted

    def log_is_whole(self) -> None:
        """The audit log by docs/audit-log.md: every hash, and every signature of a head."""
        prev, hashes = "0" * 64, {}
        for seq, entry, before, digest in self.book(
            "SELECT seq, entry, prev, hash FROM audit_log ORDER BY seq"
        ):
            assert before == prev
            text = f"countersign-audit-v1\n{seq}\n{prev}\n{entry}"
            prev = hashes[seq] = hashlib.sha256(text.encode()).hexdigest()
            assert digest == prev
        assert sorted(hashes) == list(range(len(hashes)))
        first = self.book("SELECT entry FROM audit_log WHERE seq = 0")[0][0]
        key = Ed25519PublicKey.from_public_bytes(bytes.fromhex(first.split('"public_key":"')[1][:64]))
        for seq, digest, signature in self.book("SELECT seq, hash, signature FROM audit_heads"):
            assert hashes[seq] == digest
            key.verify(bytes.fromhex(signature), f"countersign-audit-head-v1\n{seq}\n{digest}".encode())


def deletion_of(victim: int) -> str:
    """What to type after ``/delete-records``."""
    return f"crm customer c{victim}@x -- kill test"


def _same(archive: dict[str, dict[Key, Row]], rows: dict[str, dict[Key, Row]]) -> bool:
    """Whether two sets of rows are equal, the one as text where the format says text."""
    filled = {table: found for table, found in rows.items() if found}
    if set(archive) != set(filled):
        return False
    for table, found in filled.items():
        if set(archive[table]) != set(found):
            return False
        for key, row in found.items():
            if any(not _equal(archive[table][key][name], value) for name, value in row.items()):
                return False
    return True


def _equal(cell: Any, value: Any) -> bool:
    if isinstance(cell, str) and not isinstance(value, str) and value is not None:
        if isinstance(value, bytes):
            return cell == "\\x" + value.hex()
        return bool(type(value)(cell) == value)
    return type(cell) is type(value) and bool(cell == value)


def _difference(live: dict[Key, Row], wanted: dict[Key, Row]) -> Sequence[object]:
    keys = [key for key in {*live, *wanted} if live.get(key) != wanted.get(key)]
    return [(key, live.get(key), wanted.get(key)) for key in sorted(keys)[:5]]
