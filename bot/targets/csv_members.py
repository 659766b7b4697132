r"""The tables of a database as CSV beside its own copy in a backup: for people who have no database.

RFC 4180 in UTF-8: a header row, lines end with CR LF, every value stands in quotes, and NULL is nothing at
all between two commas. Bytes are ``\x`` and hexadecimal digits. They are read in the snapshot of the backup.
That they are the very rows of the copy is proven by the test restore: the same is read again out of the
restored copy, and must give as many rows that add up to the same in any order.
"""

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Self

from bot.errors import CannotProve, NotOurs
from bot.targets.ports import Sink, Source
from bot.targets.reporting import report_of
from bot.targets.streams import Counting, chunks

#: By table: the header, then its records, each without a line end.
Tables = Iterable[tuple[str, Iterable[bytes]]]
_END = b"\r\n"
_MODULO = 1 << 256


@dataclass(frozen=True)
class Member:
    """One table in a backup. ``total``: the sum over its records; ``sha256``: of the stream."""

    table: str
    stream: str
    rows: int
    total: str
    sha256: str

    def plain(self) -> Mapping[str, str | int]:
        """For the manifest."""
        return {"table": self.table, "stream": self.stream, "rows": self.rows, "sha256": self.sha256}


class MayHoldCsv:
    """A holding that writes its tables as CSV too, if it is told so."""

    _csv = False

    def with_csv(self) -> Self:
        """This one, with them from now on."""
        self._csv = True
        return self


def write(sink: Sink, holding: str, tables: Tables) -> list[Member]:
    """Every table as a stream of its own, then what they add up to."""
    report_of(sink).begin("copying")
    members = []
    for table, lines in tables:
        stream = f"{holding}.{table}.csv"
        with sink.blob(stream) as out:
            adding = _Adding()
            through = Counting(out)
            for line in adding.passed(lines):
                through.write(line + _END)
            sums = (f"{adding.total:064x}", through.digest.hexdigest())
            members.append(Member(table, stream, adding.rows, *sums))
    with sink.blob(f"{holding}.csv.json") as out:
        out.write(json.dumps([asdict(one) for one in members]).encode())
    return members


def require_proven(source: Source, holding: str, place: str, again: Tables) -> None:
    """Return when the CSV in a backup says what ``again`` says, which is read from a restored copy.

    Raises:
        CannotProve: it does not.
        NotOurs: there is none in the backup.
    """
    members = _members(source, holding)
    for member in members.values():
        digest = hashlib.sha256()
        with source.blob(member.stream) as stream:
            for chunk in chunks(stream):
                digest.update(chunk)
        if digest.hexdigest() != member.sha256:
            raise CannotProve("files.not-the-same", path=place)
    seen = {}
    for table, lines in again:
        adding = _Adding()
        for _ in adding.passed(lines):
            pass
        seen[table] = (adding.rows, f"{adding.total:064x}")
    if seen != {name: (one.rows, one.total) for name, one in members.items()}:
        raise CannotProve("files.not-the-same", path=place)


def cell(value: str | bytes | float | None) -> bytes:
    """One value."""
    if value is None:
        return b""
    if isinstance(value, bytes):
        return b'"\\x' + value.hex().encode() + b'"'
    text = value if isinstance(value, str) else repr(value)
    return b'"' + text.replace('"', '""').encode() + b'"'


def _members(source: Source, holding: str) -> Mapping[str, Member]:
    with source.blob(f"{holding}.csv.json") as stream:
        raw = b"".join(chunks(stream))
    try:
        return {one["table"]: Member(**one) for one in json.loads(raw)}
    except (KeyError, TypeError, ValueError):
        raise NotOurs("backups.damaged") from None


class _Adding:
    """How many records pass after the header, and what all lines add up to in any order."""

    def __init__(self) -> None:
        self.rows = -1
        self.total = 0

    def passed(self, lines: Iterable[bytes]) -> Iterator[bytes]:
        for line in lines:
            self.rows += 1
            self.total = (self.total + int.from_bytes(hashlib.sha256(line).digest(), "big")) % _MODULO
            yield line
