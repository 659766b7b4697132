"""What a system can do by itself: give an export, uninstall itself.

The habits of ``bot.targets.system`` hold here too but for one: whether a call may be repeated nobody knows,
so that an uninstall is called once.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from bot.targets.ports import Check, Sink, Source, Told, Writer


class Call(Protocol):
    """Something a system does by itself when it is asked: over HTTP, or as a command."""

    @property
    def place(self) -> str:
        """What is called, as people may see it: no argument, no credential."""

    def unmet(self) -> Told | None:
        """What it needs here and does not find; None: nothing. Calls nothing."""

    def seal(self) -> str:
        """What would be called, as it is now: another program of the same name has another. Calls nothing."""

    def run(self, operation: str, out: Writer | None = None) -> str:
        """Call it once, within its time; what it answered. ``out`` gets what it gave back.

        Raises:
            CannotProve: not reached, refused, too slow, too much, broken off. What it did is not known.
        """

    def end(self, operation: str) -> None:
        """End what a call that was cut short left running here."""


class Export(Protocol):
    """What a system gives of itself before it is stopped, kept beside our own copy."""

    @property
    def place(self) -> str:
        """As ``Call.place``."""

    def unmet(self) -> Told | None:
        """As ``Call.unmet``."""

    def take(self, operation: str) -> Mapping[str, Any]:
        """Ask for it and keep it near by; size and checksum. Raises as ``Call.run``."""

    def copy(self, operation: str, sink: Sink, known: Mapping[str, Any]) -> None:
        """Write what was taken into the backup; CannotProve when it is not what was taken."""

    def rehearse(self, source: Source, known: Mapping[str, Any]) -> None:
        """Return when the backup holds it byte for byte; raises as ``copy``."""

    def discard(self, operation: str) -> None:
        """Remove what is kept near by."""


@dataclass(frozen=True)
class Builtin:
    """The system's own uninstall.

    ``running``: its services must run for it. ``lacks`` looks for what else it requires, ``checks`` must
    answer. ``leaves``: the holdings it does not remove. ``seconds``: for the call, and then for its effect.
    ``mark`` changes with everything that the configuration says of it.
    """

    uninstall: Call
    export: Export | None
    running: bool
    lacks: Callable[[], Told | None]
    checks: Sequence[Check]
    leaves: frozenset[str]
    seconds: float
    mark: str
