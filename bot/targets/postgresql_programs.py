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
from bot.targets.pipes import finish
from bot.targets.ports import Reader, Writer

COPY = 1024 * 1024
_MOST_SAID = 256 * 1024
_PATH = "/usr/bin:/bin:/usr/local/bin"
ENVIRONMENT = {"LC_ALL": "C.UTF-8", "PATH": _PATH, "PGCLIENTENCODING": "UTF8"}
#: As ``pg_restore`` names what it was about: ``from TOC entry 215; 1259 16386 TABLE customers crm``.
_ENTRY = re.compile(rb"from TOC entry \d+; \d+ \d+ ([A-Z][A-Z ]+[A-Z]) ")


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
        assert process.stdout is not None
        while data := process.stdout.read(COPY):
            out.write(data)

    _run(command, secrets, pump, database)


def restore(address: str, secrets: Mapping[str, str], source: Reader, database: str) -> None:
    """Everything into an empty database; the first error ends it.

    Raises:
        TargetDown: the program failed or is missing.
    """
    command = ["pg_restore", "--format=custom", "--exit-on-error", "--no-password", f"--dbname={address}"]

    def pump(process: "subprocess.Popen[bytes]") -> None:
        assert process.stdin is not None
        with suppress(BrokenPipeError):
            while data := source.read(COPY):
                process.stdin.write(data)
            process.stdin.close()

    _run(command, secrets, pump, database)


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
    if b"could not extend file" in said or b"No space left" in said:
        raise TargetDown("target.full", target=database)
    if b"lock timeout" in said or b"could not obtain lock" in said:
        raise TargetDown("target.locked", target=database)
    if b"permission denied" in said or b"must be" in said:
        raise CannotProve("whole.denied", program=program, database=database, kind=_kind(said))
    raise TargetDown("whole.failed", program=program, database=database, code=code, kind=_kind(said))


def _kind(said: bytes) -> str:
    entry = _ENTRY.search(said)
    return entry[1].decode().lower() if entry else "-"
