"""``python -m benchmarks``: each part beside a peer, on servers of its own unless told of others."""

import argparse
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from benchmarks import archive, deletion, door, report, teardown
from benchmarks.on_mariadb import OnMariadb
from benchmarks.on_postgresql import OnLinkedPostgresql, OnPostgresql
from benchmarks.report import Figure

_PARTS = ("archive", "deletion", "linked", "mariadb", "door", "teardown", "mariadb-teardown", "files")


def main() -> None:
    """Measure, print, save."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=report.__doc__)
    parser.add_argument("--only", choices=_PARTS)
    parser.add_argument("--json", type=Path, default=Path("bench.json"))
    parser.add_argument(
        "--server", default="", help="a PostgreSQL server where databases may be made; else one of its own"
    )
    parser.add_argument("--mariadb", default="", help="the same for MariaDB: mysql://user@host:port")
    parser.add_argument(
        "--rows", type=int, nargs="+", default=deletion.SIZES, help="how many a deletion takes"
    )
    parser.add_argument(
        "--megabytes", type=int, nargs="+", default=teardown.SIZES, help="of a database torn down"
    )
    asked = parser.parse_args()
    parts: dict[str, Callable[[], Iterator[Figure]]] = {
        "archive": archive.figures,
        "deletion": lambda: _on_postgresql(OnPostgresql, asked.server, asked.rows),
        "linked": lambda: _on_postgresql(OnLinkedPostgresql, asked.server, asked.rows),
        "mariadb": lambda: _on_mariadb(asked.mariadb, asked.rows),
        "door": door.figures,
        "teardown": lambda: _whole_postgresql(asked.server, asked.megabytes),
        "mariadb-teardown": lambda: _whole_mariadb(asked.mariadb, asked.megabytes),
        "files": teardown.files,
    }
    found = [figure for name, part in parts.items() if asked.only in (None, name) for figure in part()]
    report.show(found)
    report.save(found, asked.json)


def _on_postgresql(kind: type[OnPostgresql], server: str, sizes: Sequence[int]) -> Iterator[Figure]:
    with kind.listening(server) as engine:
        yield from deletion.figures(engine, sizes)


def _whole_postgresql(server: str, sizes: Sequence[int]) -> Iterator[Figure]:
    with OnPostgresql.listening(server) as engine:
        yield from teardown.databases(engine, sizes)


def _whole_mariadb(server: str, sizes: Sequence[int]) -> Iterator[Figure]:
    with OnMariadb.listening(server) as engine:
        yield from teardown.databases(engine, sizes)


def _on_mariadb(server: str, sizes: Sequence[int]) -> Iterator[Figure]:
    with OnMariadb.listening(server) as engine:
        yield from deletion.figures(engine, sizes)


main()
