"""Where the rows of a target are, and how much of that is its own."""

from typing import Annotated, Self

from pydantic import AfterValidator, Field, StrictBool, model_validator
from pydantic_core import PydanticCustomError

from bot.config import values
from bot.config.kinds import Frozen, Schema, TablePath


class Database(Frozen):
    """Where a target's rows are. Holds a secret once it is resolved, so it is never printed.

    ``schemas``: which schemas of a PostgreSQL database are the system's, when it is not all of it; or
    ``tables``: which tables. ``csv``: the backup of a teardown holds its tables as CSV, too.
    """

    url: Annotated[str, Field(repr=False), AfterValidator(values.text)]
    schemas: Annotated[tuple[Schema, ...], Field(min_length=1)] | None = None
    tables: Annotated[tuple[TablePath, ...], Field(min_length=1)] | None = None
    csv: StrictBool = False

    @model_validator(mode="after")
    def _part(self) -> Self:
        if twice := next((one for one in self.schemas or () if (self.schemas or ()).count(one) > 1), ""):
            raise PydanticCustomError("config.schema-twice", "config.schema-twice", {"value": twice})
        # What is still a variable is looked at once it is known.
        if self.schemas is not None and self.url.startswith(("sqlite:", "mysql:", "mariadb:")):
            raise PydanticCustomError("config.schemas-kind", "config.schemas-kind")
        if self.tables is not None:
            self._only_tables(self.tables)
        return self

    def _only_tables(self, tables: tuple[str, ...]) -> None:
        if self.schemas is not None:
            raise PydanticCustomError("config.schemas-and-tables", "config.schemas-and-tables")
        if self.url.startswith("sqlite:"):
            raise PydanticCustomError("config.tables-kind", "config.tables-kind")
        paths = [self._path(one) for one in tables]
        if twice := next((one for one in tables if paths.count(self._path(one)) > 1), ""):
            raise PydanticCustomError("config.table-twice", "config.table-twice", {"value": twice})

    @property
    def is_whole(self) -> bool:
        """All of it is the system's."""
        return self.schemas is None and self.tables is None

    @property
    def table_paths(self) -> frozenset[str]:
        """Its tables where only those are the system's, each with its schema."""
        return frozenset(self._path(one) for one in self.tables or ())

    def is_apart(self, other: Self) -> bool:
        """Whether both own parts only, and none is in both."""
        mine, theirs = set(self.schemas or ()), set(other.schemas or ())
        if self.is_whole or other.is_whole or mine & theirs or self.table_paths & other.table_paths:
            return False
        pairs = ((self.table_paths, theirs), (other.table_paths, mine))
        return not any(one.startswith(f"{name}.") for held, names in pairs for one in held for name in names)

    def _path(self, table: str) -> str:
        # MariaDB has no schemas, and many a server there takes names that differ in case only for the same.
        if self.url.startswith(("mysql:", "mariadb:")):
            return table.rpartition(".")[2].lower()
        return table if "." in table else f"public.{table}"
