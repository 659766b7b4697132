"""What the parts of a system take and give: sentences, streams of a backup, and looks from outside."""

from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol

#: A sentence for the plan: a key of the catalogue and its parameters.
Told = tuple[str, Mapping[str, str | int]]


class Writer(Protocol):
    """Bytes go in."""

    def write(self, data: bytes, /) -> object:
        """Add them at the end."""


class Reader(Protocol):
    """Bytes come out."""

    def read(self, size: int, /) -> bytes:
        """At most ``size`` of them, at least one; nothing at the end."""


class Sink(Protocol):
    """A backup being made (``Sealing`` is one)."""

    def blob(self, name: str) -> AbstractContextManager[Writer]:
        """A new stream of that name; one at a time; complete when it is left without an error."""


class Source(Protocol):
    """A backup that was read back and checked (``OpenedBackup`` is one)."""

    def blob(self, name: str) -> AbstractContextManager[Reader]:
        """The stream of that name, from its beginning; may be read only in part, and again.

        Raises:
            NotOurs: there is none, or the archive changed since it was opened.
        """


@dataclass(frozen=True)
class Health:
    """The answer of one look. ``key`` and ``params`` say it in a sentence."""

    well: bool
    key: str
    params: Mapping[str, str | int]
    milliseconds: int


class Check(Protocol):
    """Something that answers, or must not."""

    @property
    def name(self) -> str:
        """What people call it."""

    def probe(self) -> Health:
        """Look once, within its time; never raises."""
