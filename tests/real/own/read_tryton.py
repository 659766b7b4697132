"""Tryton's own eyes, run by its Python: every record of every model is read and validated as when it is saved."""

import sys
from collections.abc import Iterator
from typing import Any

from trytond import config

config.update_etc(sys.argv[1])

from trytond.model import ModelSQL  # noqa: E402 - it reads the configuration
from trytond.pool import Pool  # noqa: E402 - only from here on
from trytond.transaction import Transaction  # noqa: E402 - only from here on

_AT_ONCE = 500


def main(database: str) -> None:
    """One complaint a line, then how many records were read."""
    Pool.start()
    pool = Pool(database)
    with Transaction().start(database, 0, readonly=True):
        pool.init()
    read = 0
    with Transaction().start(
        database, 0, readonly=True, context={"active_test": False, "_check_access": False}
    ):
        models = [
            (name, model)
            for name, model in pool.iterobject()
            if issubclass(model, ModelSQL) and not callable(getattr(model, "table_query", None))
        ]
        ids = {name: {one.id for one in model.search([])} for name, model in models}
        for name, model in sorted(models):
            read += len(ids[name])
            for complaint in sorted(
                {*_invalid(model, sorted(ids[name])), *_nowhere(model, sorted(ids[name]), ids)}
            ):
                sys.stdout.write(f"! {name} {complaint}\n")
    sys.stdout.write(f"read {read}\n")


def _invalid(model: Any, ids: list[int]) -> Iterator[str]:
    """Records that could not be saved as they are: required, domain, size, selection."""
    for start in range(0, len(ids), _AT_ONCE):
        some = ids[start : start + _AT_ONCE]
        try:
            model._validate(model.browse(some))
        except Exception as error:  # noqa: BLE001 - whatever the application says
            if len(some) == 1:
                yield f"{some[0]}: {type(error).__name__}"
                continue
            for one in some:
                yield from _invalid(model, [one])


def _nowhere(model: Any, ids: list[int], known: dict[str, set[int]]) -> Iterator[str]:
    """References that lead to no record."""
    names = [
        (name, field._type, getattr(field, "model_name", ""))
        for name, field in model._fields.items()
        if field._type in ("many2one", "reference") and not hasattr(field, "getter")
    ]
    if not names or not ids:
        return
    for row in model.read(ids, [name for name, _, _ in names]):
        for name, kind, there in names:
            value, target = row[name], there
            if kind == "reference" and isinstance(value, str):
                target, _, number = value.partition(",")
                value = int(number) if number.isdecimal() else None
            if value is not None and target in known and value not in known[target]:
                yield f"{row['id']}: {name} leads nowhere"


main(sys.argv[2])
