"""The sequences that number the rows of a MariaDB table through a default; AUTO_INCREMENT needs no help.

InnoDB raises AUTO_INCREMENT by itself when a row comes with a number of its own, and SETVAL never goes back.
"""
# ruff: noqa: S608 - every name goes through quote(), every value is bound

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from bot.targets.counters import Counter
from bot.targets.mysql_sql import PLACE, Relation, quote

#: Runs a query; the answers come as texts.
Ask = Callable[[str, Sequence[Any]], Iterable[Sequence[Any]]]

_DEFAULTS = f"""
SELECT COLUMN_NAME, COLUMN_DEFAULT FROM information_schema.COLUMNS
 WHERE TABLE_SCHEMA = {PLACE} AND TABLE_NAME = {PLACE} AND COLUMN_DEFAULT LIKE '%nextval(%'
 ORDER BY ORDINAL_POSITION
"""
_PLAIN = re.compile(r"nextval\((`(?:[^`]|``)*`)\.(`(?:[^`]|``)*`)\)")


@dataclass(frozen=True)
class Named:
    """A sequence behind a column; without a name when the column's numbers go through a formula."""

    column: str
    schema: str = ""
    name: str = ""

    @property
    def path(self) -> str:
        """``database.sequence``."""
        return f"{quote(self.schema)}.{quote(self.name)}"


def of(ask: Ask, relation: Relation) -> list[Named]:
    """The sequences that number rows of a table."""
    found = []
    for column, expression in ask(_DEFAULTS, [relation.schema, relation.name]):
        plain = _PLAIN.fullmatch(str(expression))
        names = [part[1:-1].replace("``", "`") for part in plain.groups()] if plain else []
        found.append(Named(str(column), *names))
    return found


def pass_by(ask: Ask, named: Named, rows: str, cell: str) -> bool:
    """Let a sequence go on past the highest number that it could give in ``cell`` of ``rows``.

    ``rows``: FROM and WHERE. False: it is past already.
    """
    counter = _counter(ask, named)
    farthest = "MAX" if counter.step > 0 else "MIN"
    # Whatever the column's type: only whole numbers are in the way.
    number = f"CASE WHEN CAST({cell} AS CHAR) REGEXP '^-?[0-9]{{1,19}}$' THEN CAST({cell} AS DECIMAL(30)) END"
    ((taken,),) = ask(
        f"SELECT {farthest}(n.v) FROM (SELECT {number} AS v FROM {rows}) n"
        f" WHERE n.v BETWEEN {PLACE} AND {PLACE}",
        [counter.low, counter.high],
    )
    last = counter.last_to_draw(None if taken is None else int(taken))
    if last is None:
        return False
    # Where the sequence stands is known to the server only: it hands out numbers that it has set aside.
    ((raised,),) = ask(f"SELECT SETVAL({named.path}, {PLACE}, 1)", [last])
    return raised is not None


def _counter(ask: Ask, named: Named) -> Counter:
    (row,) = ask(
        "SELECT next_not_cached_value, increment, minimum_value, maximum_value, cycle_option"
        f" FROM {named.path}",
        [],
    )
    upcoming, step, low, high, cycles = map(int, row)
    # 0: as the server's AUTO_INCREMENT steps.
    return Counter(upcoming, step or 1, low, high, bool(cycles))
