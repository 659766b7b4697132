"""The records of a target as types: kinds of records, and the links between rows that no key declares."""

from typing import Annotated

from pydantic import AfterValidator, Field

from bot.config import values
from bot.config.kinds import Column, Frozen, Template, Text


class Record(Frozen):
    """A kind of record: its table, the columns it is found by, and a template that names it for people.

    ``person``: the column that holds the Slack id of whom the record is about.
    """

    table: Column
    find_by: Annotated[tuple[Column, ...], Field(min_length=1)]
    label: Template | None = None
    person: Column | None = None

    @property
    def label_columns(self) -> tuple[str, ...]:
        """The columns that the label mentions, in order."""
        return values.columns_of(self.label or "")


class SoftReference(Frozen):
    """A link that no foreign key declares: ``from_`` and ``to`` are table and column, ``where`` is SQL."""

    from_: Annotated[str, Field(alias="from"), AfterValidator(values.place)]
    to: Annotated[str, AfterValidator(values.place)]
    where: Text | None = None

    @property
    def child(self) -> tuple[str, str]:
        """Table and column that hold the link."""
        table, _, column = self.from_.rpartition(".")
        return table, column

    @property
    def parent(self) -> tuple[str, str]:
        """Table and column that the link means."""
        table, _, column = self.to.rpartition(".")
        return table, column
