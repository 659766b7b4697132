"""``python -m benchmarks [--only archive|deletion|door] [--json FILE] [--server ADDRESS]``."""

import argparse
from collections.abc import Callable, Iterator
from pathlib import Path

from benchmarks import archive, deletion, door, report
from benchmarks.report import Figure

SERVER = "host=127.0.0.1 port=5432 user=postgres"


def main() -> None:
    """Measure, print, save."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=report.__doc__)
    parser.add_argument("--only", choices=("archive", "deletion", "door"))
    parser.add_argument("--json", type=Path, default=Path("bench.json"))
    parser.add_argument("--server", default=SERVER, help="a PostgreSQL server where databases may be made")
    asked = parser.parse_args()
    parts: dict[str, Callable[[], Iterator[Figure]]] = {
        "archive": archive.figures,
        "deletion": lambda: deletion.figures(asked.server),
        "door": door.figures,
    }
    found = [figure for name, part in parts.items() if asked.only in (None, name) for figure in part()]
    report.show(found)
    report.save(found, asked.json)


main()
