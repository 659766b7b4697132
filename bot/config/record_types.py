"""The records of a target as types: kinds of records, and the links between rows that no key declares."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, model_validator
from pydantic_core import PydanticCustomError

from bot.config import store_values, values
from bot.config.kinds import Column, File, Frozen, Template, Text
from bot.config.leftovers import Residue

#: What becomes of a row that points at one that goes: it goes too; it stays and points nowhere; it forbids
#: the deletion; it stays and points at another row, which the requester names.
Policy = Literal["follow", "nullify", "block", "reassign"]

_Link = Annotated[str, AfterValidator(values.link)]
_Links = Annotated[
    Mapping[_Link, Annotated[Policy, BeforeValidator(values.policy)]],
    AfterValidator(lambda links: MappingProxyType(dict(links))),
]


class Record(Frozen):
    """A kind of record: its table, the columns it is found by, and a template that names it for people.

    ``person``: the column that holds the Slack id of whom the record is about. ``links``: what becomes of
    rows that point at rows that go, by the label of the link (``child.column -> parent.column``); of the
    others the foreign key decides. ``residue``: where else the same person may be named.
    """

    table: Column
    find_by: Annotated[tuple[Column, ...], Field(min_length=1)]
    label: Template | None = None
    person: Column | None = None
    links: _Links = Field(default_factory=lambda: MappingProxyType({}))
    residue: Residue | None = None

    @model_validator(mode="after")
    def _same_kind(self) -> Self:
        """Only what points at the record itself can point at another one of its kind."""
        for link, policy in self.links.items():
            if policy == "reassign" and values.parent_of(link) != self.table:
                raise PydanticCustomError(
                    "config.link-reassign",
                    "config.link-reassign",
                    {"value": values.short(link, 120), "name": values.short(self.table)},
                )
        return self

    @property
    def hands_over(self) -> bool:
        """Whether whoever asks for a deletion may have to name another record."""
        return "reassign" in self.links.values()

    @property
    def label_columns(self) -> tuple[str, ...]:
        """The columns that the label mentions, in order."""
        return values.columns_of(self.label or "")


class SoftReference(Frozen):
    """A link that no foreign key declares: ``from_`` and ``to`` are table and column, ``where`` is SQL.

    ``prefix``: what stands before the value of ``to`` in ``from_``. ``path``: the names, with a dot between
    them, under which it stands in the JSON of ``from_``.
    """

    from_: Annotated[str, Field(alias="from"), AfterValidator(values.place)]
    to: Annotated[str, AfterValidator(values.place)]
    where: Text | None = None
    prefix: Text | None = None
    path: Annotated[str, AfterValidator(values.json_path)] | None = None

    @model_validator(mode="after")
    def _one_form(self) -> Self:
        if self.prefix is not None and self.path is not None:
            raise PydanticCustomError("config.prefix-and-path", "config.prefix-and-path")
        return self

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


class ObjectPlace(Frozen):
    """A bucket, and the prefix under which the names of a column lead.

    ``endpoint``: a store other than Amazon's. ``key_id`` and ``secret``: variables of the worker; without
    them its machine says who it is, as for any program of that kind.
    """

    bucket: Annotated[str, AfterValidator(store_values.bucket)]
    prefix: Annotated[str, AfterValidator(store_values.object_prefix)] = ""
    endpoint: Annotated[str, AfterValidator(values.endpoint)] | None = None
    region: Annotated[str, AfterValidator(store_values.region)] | None = None
    key_id: Text | None = Field(default=None, repr=False)
    secret: Text | None = Field(default=None, repr=False)

    @model_validator(mode="after")
    def _both(self) -> Self:
        if (self.key_id is None) != (self.secret is None):
            raise PydanticCustomError("config.half-credential", "config.half-credential")
        return self

    @property
    def name(self) -> str:
        """How people know it."""
        return f"s3://{self.bucket}/{self.prefix}"


class Attachment(Frozen):
    """A column that names files: ``column`` is table and column; ``file`` the folder its names lead from.

    ``object``: the bucket that they lead into instead. ``prefix``: what stands in the column before the
    name, such as the folder itself.
    """

    column: Annotated[str, AfterValidator(values.place)]
    file: File | None = None
    object: ObjectPlace | None = None
    prefix: Text | None = None

    @model_validator(mode="after")
    def _one_kind(self) -> Self:
        if (self.file is None) == (self.object is None):
            raise PydanticCustomError("config.file-or-object", "config.file-or-object")
        return self

    @property
    def place(self) -> tuple[str, str]:
        """Table and column."""
        table, _, column = self.column.rpartition(".")
        return table, column

    @property
    def root(self) -> str:
        """The folder, without a slash at its end, or the bucket with its prefix."""
        return self.object.name if self.object is not None else (self.file or "").rstrip("/")


def is_inside(inner: str, outer: str) -> bool:
    """Whether the root of one attachment holds that of another; a prefix of keys need not end at a slash."""
    return f"{inner}/".startswith(outer if outer.startswith("s3://") else f"{outer}/")
