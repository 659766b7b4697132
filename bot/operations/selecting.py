"""From what a person typed to exactly one row each."""

import re
from collections.abc import Sequence
from itertools import accumulate, takewhile

from bot.config.record_types import Record
from bot.config.types import Target
from bot.errors import BadInput, CannotProve, NotFound
from bot.model.backups import InvalidText, Value
from bot.model.plans import Told
from bot.model.row_keys import Key
from bot.operations.preflight import find_table
from bot.targets.base import Row, Session, Table

#: No identifier is longer, in characters.
LONGEST = 1000
_MANY = 20
#: So many rows of a file are told.
_FEW = 5
#: Signs of a label; the card shows all of it.
_SHOWN = 200
_SLACK_ID = re.compile(r"[UW][A-Z0-9]{2,30}")
_COLUMN = re.compile(r"\{([^{}]+)\}")


def record_of(spec: Target, name: str) -> Record:
    """The kind of record that the configuration calls ``name``.

    Raises:
        NotFound: there is none of that name.
    """
    record = spec.records.get(name)
    if record is None:
        raise NotFound("operations.unknown-record", target=spec.name, known=", ".join(sorted(spec.records)))
    return record


def resolve(
    session: Session, target: str, record: Record, values: Sequence[str], column: str | None = None
) -> tuple[Key, ...]:
    """The key of the one row that each value means, every row once.

    ``column``: the values stand in a file, below this name, and are looked for in this column alone.

    Raises:
        BadInput: nothing was typed, or something that cannot be an identifier.
        NotFound: a value means no row, or more than one.
        CannotProve: rows of that table cannot be told apart.
    """
    table = find_table(session.catalogue(), target, record.table, _columns(record))
    if not table.key:
        raise CannotProve("operations.no-key", target=target, table=table.name)
    if not values:
        raise BadInput("operations.no-value", target=target)
    if column is not None:
        return _resolve_file(session, target, table, record, column, values)
    keys: dict[str, Key] = {}
    for position, value in enumerate(values, start=1):
        _usable(value, position)
        candidates = _candidates(session, table, record, value)
        if not candidates:
            raise NotFound("operations.no-match", target=target, table=table.name, n=position)
        if len(candidates) > 1:
            raise NotFound(
                "operations.ambiguous",
                target=target,
                table=table.name,
                n=position,
                candidates=f"{_MANY}+" if len(candidates) >= _MANY else str(len(candidates)),
            )
        keys |= candidates
    return tuple(keys.values())


def _resolve_file(
    session: Session, target: str, table: Table, record: Record, column: str, values: Sequence[str]
) -> tuple[Key, ...]:
    """Every row of a file means one record and no two the same; else the refusal tells which do not."""
    if column not in record.find_by:
        raise NotFound("operations.file-column", target=target, table=table.name, column=column)
    wrong: dict[str, list[int]] = {"no-match": [], "ambiguous": [], "same": []}
    keys: dict[str, Key] = {}
    # The first row of the file is its heading.
    for number, value in enumerate(values, start=2):
        _usable(value, number - 1)
        found = session.find(table.name, column, value, 2)
        if len(found) != 1:
            wrong["ambiguous" if found else "no-match"].append(number)
        elif keys.setdefault(repr(found[0]), found[0]) is not found[0]:
            wrong["same"].append(number)
    for why, rows in wrong.items():
        if rows:
            raise NotFound(
                f"operations.file-{why}",
                target=target,
                table=table.name,
                column=column,
                n=len(rows),
                total=len(values),
                rows=", ".join(map(str, rows[:_FEW])) + (" …" if len(rows) > _FEW else ""),
            )
    return tuple(keys.values())


def label_of(record: Record, table: Table, rows: Sequence[Row], values: Sequence[str]) -> str:
    """The rows as people know them, by the record's template; what was typed when there is none."""
    if record.label is None:
        return together(values)
    places = {column.name: place for place, column in enumerate(table.stored)}
    labels = []
    for row in rows:
        texts = {name: _shown(row[place]) for name, place in places.items()}
        labels.append(_COLUMN.sub(lambda found, texts=texts: texts.get(found[1], ""), record.label))  # type: ignore[misc]  # mypy cannot type a default in a lambda
    return together(labels)


def together(names: Sequence[str]) -> str:
    """Whole names as far as they fit into a label, then how many more; of a single one its start. Pure."""
    text = ", ".join(names)
    if len(names) < 2 or len(text) <= _SHOWN:
        return text[:_SHOWN]
    room = _SHOWN - len(f", … (+{len(names)})")
    ends = accumulate(len(name) + 2 for name in names)
    kept = max(1, sum(1 for _ in takewhile(lambda end: end - 2 <= room, ends)))
    return f"{', '.join(names[:kept])[:room]}, … (+{len(names) - kept})"


def people_of(record: Record, table: Table, rows: Sequence[Row]) -> tuple[str, ...] | None:
    """Whom in Slack the rows are about, sorted; None when the configuration does not say where that stands.

    A cell that is no Slack id names nobody. Blanks around it and small letters do not hide anybody.
    """
    if record.person is None:
        return None
    place = [column.name for column in table.stored].index(record.person)
    return tuple(sorted(set(filter(None, (_person(row[place]) for row in rows)))))


def people_warning(record: Record, table: Table, rows: Sequence[Row]) -> tuple[Told, ...]:
    """How many of the rows name nobody: whoever they are about cannot be kept from voting."""
    if record.person is None:
        return ()
    place = [column.name for column in table.stored].index(record.person)
    nobody = sum(_person(row[place]) is None for row in rows)
    return (Told("told.nobody-in-slack", {"n": nobody, "total": len(rows)}),) if nobody else ()


def _person(value: Value) -> str | None:
    found = _SLACK_ID.fullmatch(value.strip().upper()) if isinstance(value, str) else None
    return found[0] if found else None


def _columns(record: Record) -> list[str]:
    """Every column that the configuration names."""
    identifiers = record.residue.identifiers if record.residue else ()
    person = [record.person] if record.person else []
    return [*record.find_by, *record.label_columns, *person, *identifiers]


def _usable(value: str, position: int) -> None:
    if not value or len(value) > LONGEST:
        raise BadInput("operations.value-length", n=position, longest=LONGEST)
    try:
        value.encode()
    except UnicodeEncodeError:
        raise BadInput("operations.value-unreadable", n=position) from None


def _candidates(session: Session, table: Table, record: Record, value: str) -> dict[str, Key]:
    """Rows by a text that is different for different keys."""
    found: dict[str, Key] = {}
    for column in record.find_by:
        for key in session.find(table.name, column, value, _MANY):
            found[repr(key)] = key
    return found


def _shown(value: Value) -> str:
    match value:
        case None:
            return ""
        case bytes():
            return "…"
        case InvalidText():
            return value.raw.decode(errors="replace")
    return str(value)
