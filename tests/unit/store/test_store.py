"""Our own database on both kinds: who was first, who waits for whom, what is said when it cannot be used."""

import itertools
import subprocess
import sys
import threading
from contextlib import closing
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import text

from bot.errors import BooksDown, Refused
from bot.model.people import RosterFacts
from bot.model.quorums import SlotSpec, simple
from bot.model.requests import Choice, Operation, State
from bot.store import schema
from bot.store.database import Database, reachable
from bot.store.ports import InboxPort, RosterPort
from bot.store.requests import rule_data, rule_from
from bot.store.sender import Sender
from bot.store.slots import PLANNING, SENDING, WORKER, Session
from bot.texts import say
from tests.fakes.rooms import House, race
from tests.fakes.servers import own_postgresql, postgresql_database, postgresql_url
from tests.stories.rig import ROOT


def test_a_delivery_is_new_once_however_many_bots_take_it_in(house: House) -> None:
    ports = [InboxPort(house.store) for _ in range(8)]
    taken = race(*(lambda port=port: port.accept("Ev1", "event", {"n": 1}, house.now) for port in ports))
    assert sorted(taken) == [False] * 7 + [True]
    assert ports[0].load("Ev1") == ("event", {"n": 1})


def test_every_commit_changes_the_mark_or_there_is_none(house: House) -> None:
    database = house.store.database
    marks = [database.mark()]
    if marks != [None]:
        for _ in range(3):
            assert database.mark() == marks[-1]
            with house.store.transact() as work:
                work.roster.ask(f"n{len(marks)}", (), (), house.now)
                assert database.mark() == marks[-1]
            marks.append(database.mark())
        with closing(Database(database.url.render_as_string())) as another, another.transact() as connection:
            connection.execute(text("DELETE FROM roster_questions"))
        assert len({*marks, database.mark()}) == 5
        database.close()
        assert database.mark() is None


def test_a_question_is_answered_once(house: House) -> None:
    with house.store.transact() as work:
        work.roster.ask("n1", ("U0BOB",), (), house.now)
    port = RosterPort(house.store)
    first, second = RosterFacts({}, {"S0DBA": ("U0BOB",)}), RosterFacts({}, {})
    port.answer("n1", first, house.now)
    port.answer("n1", second, house.now)
    with house.store.read() as work:
        assert work.roster.answered("n1") == (first, house.now)


def test_everything_at_once_never_waits_in_a_circle_and_leaves_one_unbroken_log(house: House) -> None:
    """Votes, denials and freezes hold several rows each: no two may wait for each other."""
    ids = house.many_pending(6)
    crossed: list[BaseException] = []

    def storm(turn: int) -> None:
        for step in range(12):
            request_id = ids[(turn + step) % len(ids)]
            try:
                match (turn + step) % 4:
                    case 0:
                        house.vote(request_id, "U0DAN")
                    case 1:
                        house.vote(request_id, "U0GINA", Choice.DENY)
                    case 2:
                        house.withdraw(request_id, "U0GINA")
                    case _:
                        with house.store.transact() as work:
                            house.lifecycle.freeze(work, "crm", None, house.actor("U0DAN"), house.now)
                            work.targets.set("crm", None, None)
            except Refused:
                pass
            except BaseException as error:  # noqa: BLE001 - the test looks at it
                crossed.append(error)

    threads = [threading.Thread(target=storm, args=(turn,)) for turn in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert crossed == []
    entries = house.log()
    assert [entry.seq for entry in entries] == list(range(len(entries)))
    assert all(later.prev == earlier.hash for earlier, later in itertools.pairwise(entries))


def test_many_numbers_given_at_once_are_different_and_without_a_gap(house: House) -> None:
    ids = [house.file() for _ in range(12)]
    assert race(*(lambda one=one: house.plan(one) for one in ids)) == [None] * 12
    assert sorted(house.request(one).number or 0 for one in ids) == list(range(1, 13))


_VOTER = """
import sys
from pathlib import Path
from tests.fakes.rooms import House
house = House(Path(sys.argv[1]), url=sys.argv[2])
sys.stdin.readline()
for one in sys.argv[4].split(","):
    house.vote(int(one), sys.argv[3])
"""


def test_processes_that_race_for_the_last_vote_lose_none_and_fill_no_quorum_twice(tmp_path: Path) -> None:
    with postgresql_database() as url:
        prepared = Database(url)
        schema.upgrade(prepared)
        prepared.close()
        house = House(tmp_path, url=url)
        ids = house.many_pending(100)
        voters = [
            subprocess.Popen(
                [sys.executable, "-c", _VOTER, tmp_path, url, user, ",".join(map(str, ids))],
                cwd=ROOT,
                stdin=subprocess.PIPE,
                stderr=subprocess.PIPE,
            )
            for user in ("U0DAN", "U0CAROL", "U0BOB")
        ]
        for one in voters:
            assert one.stdin is not None
            one.stdin.write(b"go\n")
            one.stdin.flush()
        ended = [(one.communicate(timeout=120)[1], one.returncode) for one in voters]
        assert [code for _, code in ended] == [0, 0, 0], ended
        assert {house.state(one) for one in ids} == {State.APPROVED}
        assert [house.permits(one) for one in ids] == [["ready"]] * 100
        assert {len(house.votes(one)) for one in ids} == {3}
        entries = house.log()
        assert all(later.prev == earlier.hash for earlier, later in itertools.pairwise(entries))
        house.close()


# Locks that end with their session


def cut_off(url: str, kind: int) -> None:
    """End the sessions of one database that hold a lock with number 0, as a parted network does."""
    with psycopg.connect(url) as other:
        other.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE classid = %s AND objid = 0 AND database ="
            " (SELECT oid FROM pg_database WHERE datname = current_database())",
            [kind],
        )


def test_a_number_is_one_sessions_until_it_ends() -> None:
    with postgresql_database() as url:
        database = Database(url)
        first, second = Session(database), Session(database)
        assert first.take(WORKER, 0)
        assert not second.take(WORKER, 0)
        assert second.take(WORKER, 1)
        assert second.take(PLANNING, 0)
        cut_off(url, WORKER)
        assert not first.holds()
        assert second.take(WORKER, 0)
        with pytest.raises(BooksDown):
            first.take(WORKER, 5)
        assert not first.holds(), "a session never comes back by itself: its locks would not"
        second.close()
        database.close()


@pytest.mark.parametrize("server", [False, True], ids=["sqlite", "postgresql"])
def test_of_several_bots_one_sends_and_the_next_when_it_has_gone(tmp_path: Path, server: bool) -> None:
    with postgresql_database() as url:
        database = Database(url if server else f"sqlite:///{tmp_path / 'own.db'}")
        first, second = Sender(database, tmp_path), Sender(database, tmp_path)
        assert [first.is_ours(), second.is_ours(), first.is_ours()] == [True, False, True]
        first.close()
        assert [second.is_ours(), first.is_ours(), second.is_ours()] == [True, False, True]
        second.close()
        first.close()
        database.close()


def test_a_sender_that_lost_its_session_does_not_believe_it_still_sends() -> None:
    with postgresql_database() as url:
        database = Database(url)
        first, second = Sender(database, Path()), Sender(database, Path())
        assert first.is_ours()
        cut_off(url, SENDING)
        assert second.is_ours()
        assert [first.is_ours(), first.is_ours()] == [False, False]
        first.close()
        second.close()
        database.close()


# Migrations


@pytest.mark.parametrize("server", [False, True], ids=["sqlite", "postgresql"])
def test_the_tables_are_what_the_code_says(tmp_path: Path, server: bool) -> None:
    with postgresql_database() as url:
        database = Database(url if server else f"sqlite:///{tmp_path / 'own.db'}")
        assert not schema.is_current(database)
        schema.upgrade(database)
        schema.check(database)
        schema.upgrade(database)
        assert schema.is_current(database)
        database.close()


def test_several_processes_upgrade_one_database_at_once() -> None:
    script = (
        "import sys; from bot.store import schema; from bot.store.database import Database; "
        "schema.upgrade(Database(sys.argv[1]))"
    )
    with postgresql_database() as url:
        starting = [
            subprocess.Popen([sys.executable, "-c", script, url], cwd=ROOT, stderr=subprocess.PIPE)
            for _ in range(4)
        ]
        ended = [(one.communicate(timeout=90)[1], one.returncode) for one in starting]
        assert [code for _, code in ended] == [0] * 4, ended
        database = Database(url)
        schema.check(database)
        database.close()


# What is said when it cannot be used


def _elsewhere(url: str, **parts: str) -> str:
    base = url.removeprefix("postgresql://postgres@")
    address, _, name = base.partition("/")
    return (
        f"postgresql://{parts.get('user', 'postgres')}@{parts.get('at', address)}/{parts.get('name', name)}"
    )


@pytest.mark.parametrize(
    ("change", "key"),
    [
        ({"at": "127.0.0.1:1"}, "store.unreachable"),
        ({"name": "cs_test_not_there"}, "store.missing"),
        ({"user": "cs_test_nobody"}, "store.missing"),
    ],
    ids=["nobody listens", "no such database", "no such role"],
)
def test_a_server_that_cannot_be_used_gets_one_sentence(change: dict[str, str], key: str) -> None:
    database = Database(_elsewhere(postgresql_url(), **change))
    with pytest.raises(BooksDown) as caught:
        reachable(database)
    assert caught.value.key == key
    assert not database.alive()
    database.close()


def test_a_wrong_password_gets_one_sentence_without_it() -> None:
    server = own_postgresql()
    (server.folder / "data/pg_hba.conf").write_text("host all all 127.0.0.1/32 scram-sha-256\n")
    try:
        server.start()
        database = Database(server.url.replace("postgres@", "postgres:hunter2@"))
        with pytest.raises(BooksDown) as caught:
            reachable(database)
        assert caught.value.key == "store.password"
        assert "hunter2" not in say(caught.value.key, "en", **caught.value.params)
        database.close()
    finally:
        server.remove()


def test_a_standby_is_refused_at_once() -> None:
    with postgresql_database() as url:
        database = Database(f"{url}?options=-c%20default_transaction_read_only%3Don")
        with pytest.raises(BooksDown) as caught:
            reachable(database)
        assert caught.value.key == "store.read-only"
        database.close()


def test_a_connection_lost_in_the_middle_undoes_the_transaction_and_the_next_one_works() -> None:
    with postgresql_database() as url:
        empty = Database(url)
        schema.upgrade(empty)
        empty.close()
        house = House(Path(), url=url)
        with pytest.raises(BooksDown), house.store.transact() as work:
            house.lifecycle.file(work, house.wish(), house.actor("U0ALICE"), "D0ASKING", house.now)
            with psycopg.connect(url) as other:
                other.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                    " WHERE datname = current_database() AND pid <> pg_backend_pid()"
                )
            work.requests.next_number()
        assert house.rows("requests") == []
        assert house.file()
        house.close()


def test_a_rule_that_an_earlier_release_stored_is_still_read() -> None:
    """A request that was open across the upgrade."""
    stored = {
        "name": "small erasure",
        "request": ["support"],
        "approve": [{"count": 2, "role": "dba"}, {"count": 1, "role": "data-owner"}],
        "expires": 3600,
        "cooling_off": 10,
        "drift_rows": 0,
    }
    rule = rule_from(stored)
    assert rule.quorums == (simple(SlotSpec(2, "dba"), SlotSpec(1, "data-owner")),)
    assert rule_from(rule_data(rule)) == rule


def test_the_restores_of_a_backup_are_those_and_no_others(house: House) -> None:
    """In any state, oldest first; a deletion that made the backup is no restore of it."""
    with house.store.transact() as work:
        common = {
            "target": "crm",
            "requester": "U0ALICE",
            "origin_channel": "C0",
            "channel": "C0",
            "created_at": house.now,
        }
        kinds = [
            (Operation.RESTORE, "b1"),
            (Operation.DELETE_RECORDS, "b1"),
            (Operation.RESTORE, "b2"),
            (Operation.RESTORE, "b1"),
        ]
        ids = [work.requests.add(operation=kind, backup_id=backup, **common) for kind, backup in kinds]
        work.requests.save(ids[0], State.PLANNING, state=State.CANCELLED)
        assert [one.id for one in work.requests.restores_of("b1")] == [ids[0], ids[3]]
        assert work.requests.restores_of("b3") == []
