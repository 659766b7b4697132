"""``pg_dump`` and ``pg_restore``: a whole database as a stream, and out of it again.

What they say on their error output names rows and values, so that it stays here; people read which program
failed, and about which kind of thing.
"""

import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress

from bot.errors import CannotProve, TargetDown
from bot.targets.pipes import finish, pieces, widen
from bot.targets.ports import Reader, Writer

COPY = 1024 * 1024
_MOST_SAID = 256 * 1024
_PATH = "/usr/bin:/bin:/usr/local/bin"
ENVIRONMENT = {"LC_ALL": "C.UTF-8", "PATH": _PATH, "PGCLIENTENCODING": "UTF8"}
_WORD = rb'(?:"(?:[^"\n]|"")+"|[\w$]+)'
#: The statement that failed, as both programs show it: its verb, the name after it, and nothing behind.
_STATEMENT = re.compile(
    rb"(?:Command was|STATEMENT): +((?:CREATE|ALTER|REFRESH|COPY|COMMENT ON|GRANT|REVOKE|SELECT)(?: [A-Z]+)*)"
    rb"(?: (" + _WORD + rb"(?:\." + _WORD + rb")?))?"
)
_REPEATED = re.compile(rb"^(?:Command was|STATEMENT): ", re.MULTILINE)
_COPY = re.compile(rb'COPY failed for table (".+?"):')
_FUNCTION = re.compile(rb"(?:PL/pgSQL|SQL) function (" + _WORD + rb"(?:\." + _WORD + rb")?)")
#: What ``psql`` puts before what the server says.
_CODE = re.compile(rb"^\S+:(?:\d+:)? +(?:\S+: +)?([0-9A-Z]{5}): ", re.MULTILINE)


def require(server: int, programs: Sequence[str] = ("pg_dump", "pg_restore")) -> None:
    """Return when the programs are there and know a server of this version (``server_version``: 150020).

    Raises:
        TargetDown: one is missing or too old.
    """
    for program in programs:
        found = shutil.which(program, path=_PATH)
        if found is None:
            raise TargetDown("whole.no-program", program=program)
        said = subprocess.run([found, "--version"], capture_output=True, check=False).stdout  # noqa: S603 - ours
        version = re.search(rb"\) (\d+)", said)
        if version is None or int(version[1]) < server // 10000:
            raise TargetDown("whole.old-program", program=program, version=server // 10000)


def dump(
    address: str,
    secrets: Mapping[str, str],
    snapshot: str,
    out: Writer,
    database: str,
    only: Sequence[str] = (),
) -> None:
    """Everything in a database as it is in an exported snapshot, or ``only`` what these options choose.

    Raises:
        TargetDown: the program failed or is missing.
    """
    options = ["--format=custom", "--compress=0", "--no-password", "--lock-wait-timeout=10000"]
    options += [*only, "--strict-names"] if only else []
    command = ["pg_dump", *options, f"--snapshot={snapshot}", f"--dbname={address}"]

    def pump(process: "subprocess.Popen[bytes]") -> None:
        for data in pieces(process):
            out.write(data)

    _run(command, secrets, pump, database)


def restore(
    address: str, secrets: Mapping[str, str], source: Reader, database: str, lines: Sequence[str] = ()
) -> None:
    """Everything into an empty database; the first error ends it. ``lines``: its contents in another order.

    Raises:
        TargetDown: the program failed or is missing.
    """
    options = ["--format=custom", "--exit-on-error", "--no-password", f"--dbname={address}"]

    def pump(process: "subprocess.Popen[bytes]") -> None:
        assert process.stdin is not None
        with suppress(BrokenPipeError):
            while data := source.read(COPY):
                process.stdin.write(data)
            process.stdin.close()

    with tempfile.NamedTemporaryFile("w", encoding="utf-8") as listed:
        listed.write("\n".join(lines) + "\n")
        listed.flush()
        order = [f"--use-list={listed.name}"] if lines else []
        _run(["pg_restore", *options, *order], secrets, pump, database)


def _run(
    command: list[str],
    secrets: Mapping[str, str],
    pump: Callable[["subprocess.Popen[bytes]"], None],
    database: str,
) -> None:
    with tempfile.TemporaryFile() as complaints:
        try:
            process = subprocess.Popen(  # noqa: S603 - options of ours
                command,
                env={**ENVIRONMENT, **secrets},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=complaints.fileno(),
            )
        except FileNotFoundError:
            raise TargetDown("whole.no-program", program=command[0]) from None
        widen(process)
        try:
            pump(process)
        except BaseException:
            process.kill()
            raise
        finally:
            finish(process)
        judge(command[0], process.returncode, complaints.fileno(), database)


def judge(program: str, code: int, complaints: int, database: str) -> None:
    """Return when it ended well; ``complaints``: the file with its error output.

    Raises:
        TargetDown: it did not.
        CannotProve: it lacked a right.
    """
    if code == 0:
        return
    os.lseek(complaints, 0, os.SEEK_SET)
    said = os.read(complaints, _MOST_SAID)
    # Behind it stands the statement, which may hold any words.
    answer = _REPEATED.split(said)[0]
    if b"could not extend file" in answer or b"No space left" in answer:
        raise TargetDown("target.full", target=database)
    if b"lock timeout" in answer or b"could not obtain lock" in answer:
        raise TargetDown("target.locked", target=database)
    if b"permission denied" in answer or b"must be" in answer:
        raise CannotProve("whole.denied", program=program, database=database, kind=_statement(said))
    told = {"program": program, "database": database, "code": _code(said, code), "kind": _statement(said)}
    if found := _FUNCTION.search(said):
        raise TargetDown("whole.failed-in", **told, function=found[1].decode(errors="replace"))
    raise TargetDown("whole.failed", **told)


def _statement(said: bytes) -> str:
    """Which statement, in words that hold no value: its verb and what it is about."""
    found = _STATEMENT.findall(said)
    if not found:
        data = _COPY.search(said)
        return "COPY " + data[1].decode(errors="replace") if data else "-"
    verb, name = found[-1]
    return b" ".join(part for part in (verb, name) if part).decode(errors="replace")


def _code(said: bytes, code: int) -> str | int:
    """The server's own where it is shown, else the one that the program ended with."""
    found = _CODE.findall(said)
    return found[-1].decode() if found else code
