"""A dump restored into a database that has other things in it: all of it, in one transaction, or nothing.

``pg_restore`` writes the statements, ``psql`` runs them between a BEGIN and a COMMIT of ours. The COMMIT
comes only after ``pg_restore`` has ended well and the whole dump was what it should be: until then nobody
sees any of it, and a connection that ends takes everything back.
"""

import subprocess
import tempfile
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from bot.errors import TargetDown
from bot.targets.pipes import finish
from bot.targets.ports import Reader
from bot.targets.postgresql_programs import COPY, ENVIRONMENT, judge

PROGRAMS = ("pg_dump", "pg_restore", "psql")
_RESTORE = ["pg_restore", "--format=custom", "--exit-on-error"]
_PSQL = [
    "psql",
    "--no-psqlrc",
    "--quiet",
    "--output=/dev/null",
    "--no-password",
    "--set=ON_ERROR_STOP=1",
    "--set=VERBOSITY=verbose",
    "--set=ECHO=errors",
    "--file=-",
]

Process = subprocess.Popen[bytes]


def contents(source: Reader, database: str) -> Sequence[str]:
    """The lines of a dump's table of contents, as ``pg_restore`` reads them again.

    Raises:
        TargetDown: the program failed or is missing.
    """
    with _started(["pg_restore", "--format=custom", "--list"], {}) as (process, complaints):
        with ThreadPoolExecutor(1) as feeder:
            fed = feeder.submit(_feed, process, source, False)
            assert process.stdout is not None
            listed = process.stdout.read()
            fed.result()
        finish(process)
        judge("pg_restore", process.returncode, complaints.fileno(), database)
    return listed.decode().splitlines()


def without(lines: Sequence[str], constraints: Collection[int]) -> Sequence[str]:
    """A table of contents without the foreign keys of these numbers. Pure."""
    return [line for line in lines if not _is_one_of(line, constraints)]


def events_last(lines: Sequence[str]) -> Sequence[str]:
    """A table of contents with its event triggers at the end; empty when they are there already. Pure.

    ``pg_dump`` puts what fills materialized views behind them, where they may forbid it.
    """
    last = [line for line in lines if _is_event_trigger(line)]
    sorted_lines = [*(line for line in lines if not _is_event_trigger(line)), *last]
    return () if sorted_lines == list(lines) else sorted_lines


def _is_event_trigger(line: str) -> bool:
    # As in: 3206; 3466 16404 EVENT TRIGGER - name owner, and 3352; 0 0 COMMENT - EVENT TRIGGER name owner
    what = line.split(" ", 3)[3:]
    return bool(what) and what[0].startswith(("EVENT TRIGGER ", "COMMENT - EVENT TRIGGER "))


def _is_one_of(line: str, constraints: Collection[int]) -> bool:
    # As in: 3346; 2606 16398 FK CONSTRAINT crm deals deals_customer_id_fkey owner
    words = line.split(" ", 4)
    return words[3:4] == ["FK"] and words[2].isdigit() and int(words[2]) in constraints


def restore(
    way: tuple[str, Mapping[str, str], str],
    lines: Sequence[str],
    source: Reader,
    is_whole: Callable[[], bool],
    closing: Sequence[str],
) -> bool:
    """What stands in ``lines`` out of a dump, then the statements of ``closing``; False: nothing was done.

    Args:
        way: address, environment, name of the database.
        lines: the table of contents.
        source: the dump; it is read to its end.
        is_whole: asked after that; when it says no, nothing is done.
        closing: statements after everything else.

    Raises:
        TargetDown, CannotProve: a program failed, and nothing was done.
    """
    address, hidden, database = way
    with tempfile.NamedTemporaryFile("w", encoding="utf-8") as listed:
        listed.write("\n".join(lines) + "\n")
        listed.flush()
        command = [*_PSQL, f"--dbname={address}"]
        with _started(command, hidden) as (psql, complaints):
            _pour(Path(listed.name), source, psql, database)
            if not is_whole():
                psql.kill()
                return False
            _say(psql, *closing, "COMMIT")
            finish(psql)
            judge("psql", psql.returncode, complaints.fileno(), database)
    return True


def _pour(listed: Path, source: Reader, psql: Process, database: str) -> None:
    """Everything into psql."""
    command = [*_RESTORE, f"--use-list={listed}", "--file=-"]
    with _started(command, {}) as (process, complaints), ThreadPoolExecutor(1) as feeder:
        fed: Future[None] = feeder.submit(_feed, process, source, True)
        assert process.stdout is not None
        _say(psql, "BEGIN")
        while data := process.stdout.read(COPY):
            _write(psql, data)
        fed.result()
        finish(process)
        judge("pg_restore", process.returncode, complaints.fileno(), database)


def _feed(process: Process, source: Reader, to_the_end: bool) -> None:
    """The source, ``to_the_end`` also when the program wants no more of it: its sum counts."""
    assert process.stdin is not None
    wanted = True
    while (wanted or to_the_end) and (data := source.read(COPY)):
        try:
            process.stdin.write(data if wanted else b"")
        except BrokenPipeError:
            wanted = False
    with suppress(BrokenPipeError):
        process.stdin.close()


def _say(psql: Process, *statements: str) -> None:
    _write(psql, "".join(f"{one};\n" for one in statements).encode())


def _write(psql: Process, data: bytes) -> None:
    assert psql.stdin is not None
    # A psql that ended has said why.
    with suppress(BrokenPipeError):
        psql.stdin.write(data)


@contextmanager
def _started(command: Sequence[str], hidden: Mapping[str, str]) -> Iterator[tuple[Process, IO[bytes]]]:
    """A program with its input and output, and the file of its complaints; killed when the block fails."""
    with tempfile.TemporaryFile() as complaints:
        try:
            process = subprocess.Popen(  # noqa: S603 - options of ours
                list(command),
                env={**ENVIRONMENT, **hidden},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=complaints.fileno(),
            )
        except FileNotFoundError:
            raise TargetDown("whole.no-program", program=command[0]) from None
        try:
            yield process, complaints
        except BaseException:
            process.kill()
            raise
        finally:
            finish(process)
