"""Every error of ours, in two families by what happens next.

CountersignError
├── Refused                the answer is no; the person is told why, nothing has changed
│   ├── BadInput           what was typed or configured cannot be understood
│   ├── NotAllowed         this person, or anyone right now, may not do it
│   ├── NotFound           what was named does not exist
│   ├── Stale              it was possible a moment ago
│   └── CannotProve        something would have to be guessed, so it is refused
└── Broken                 the machinery failed; stop and raise the alarm
    ├── BooksDown          our own database cannot be used; whatever was being done is done again later
    ├── TargetDown         the target cannot be reached, is locked or read-only
    ├── StorageDown        the backup store cannot be written or read
    ├── NotOurs            a backup, a key or a log is not what it claims to be
    └── Halted             stopped or frozen at a safe point
        └── TakenOver      another worker has the job by now

An error carries a key of the text catalogue and its parameters. ``str(error)`` is the key alone: an engine or
a log that stores the text of an exception must never get a name, an address or a value with it.
"""

import traceback
from collections.abc import Mapping


class CountersignError(Exception):
    """Root of the tree. ``key`` names a text of the catalogue, ``params`` fill it."""

    def __init__(self, key: str, **params: str | int) -> None:
        super().__init__(key)
        self.key = key
        # A driver gives what it likes: what our books cannot hold would have the same step go again for ever.
        self.params: Mapping[str, str | int] = {
            name: value if isinstance(value, str | int) else str(value) for name, value in params.items()
        }


def because(error: CountersignError) -> dict[str, str | int]:
    """``why`` and what fills it, for an error that names another one; names that begin with ``why_``."""
    return {"why": error.key, **{f"why_{name}": value for name, value in error.params.items()}}


class Refused(CountersignError):  # noqa: N818 - a refusal is an answer, not a fault
    """The answer is no."""


class BadInput(Refused):
    """What was typed or configured cannot be understood."""


class NotAllowed(Refused):
    """This person, or anyone right now, may not do it."""


class NotFound(Refused):
    """What was named does not exist, or is not unique."""


class Stale(Refused):
    """It was possible a moment ago."""


class CannotProve(Refused):
    """Something would have to be guessed."""


class Broken(CountersignError):  # noqa: N818 - reads as a state, like Refused
    """The machinery failed; stop and raise the alarm."""


class BooksDown(Broken):
    """Our own database cannot be used; whatever was being done is done again later."""


class TargetDown(Broken):
    """The target cannot be reached, is locked or read-only."""


class StorageDown(Broken):
    """The backup store cannot be written or read."""


class NotOurs(Broken):
    """A backup, a key or a log is not what it claims to be."""


class Halted(Broken):
    """Stopped or frozen at a safe point; nothing was changed."""


class TakenOver(Halted):
    """Another worker has the job by now: it is no longer ours to end, to clear or to tell about."""


def whereabouts(error: BaseException) -> str:
    """Where an unexpected error came from, for a log: its class and the innermost places, never its text."""
    frames = traceback.extract_tb(error.__traceback__)[-4:]
    places = " < ".join(f"{frame.filename.rpartition('/')[2]}:{frame.lineno}" for frame in reversed(frames))
    return f"{type(error).__name__} at {places}"
