"""What a system gave of itself before it was stopped; see ``bot.targets.builtin.Export``.

It lies in a file of the worker's own until the backup is sealed, and then inside that backup, as the stream
``builtin.export``: one key, one reference and one end for both.
"""

import os
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from bot.errors import CannotProve, TargetDown
from bot.targets.builtin import Call
from bot.targets.ports import Sink, Source, Told
from bot.targets.streams import Counting, chunks

STREAM = "builtin.export"
_COPY = 1024 * 1024


class KeptExport:
    """The answer of one call, in ``folder``, which only the worker can enter."""

    def __init__(self, call: Call, folder: Path) -> None:
        self._call = call
        self._folder = folder

    @property
    def place(self) -> str:
        """See ``Export``."""
        return self._call.place

    def unmet(self) -> Told | None:
        """See ``Export``."""
        return self._call.unmet()

    def take(self, operation: str) -> Mapping[str, Any]:
        """See ``Export``."""
        self.discard(operation)
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
            with os.fdopen(os.open(self._file(operation), flags, 0o600), "wb") as file:
                counting = Counting(file)
                self._call.run(operation, counting)
                file.flush()
                os.fsync(file.fileno())
        except OSError:
            raise TargetDown("builtin.no-room", place=self.place) from None
        return counting.facts()

    def copy(self, operation: str, sink: Sink, known: Mapping[str, Any]) -> None:
        """See ``Export``."""
        try:
            with sink.blob(STREAM) as out:
                counting = Counting(out)
                for data in self._read(operation):
                    counting.write(data)
        except OSError:
            raise CannotProve("builtin.export-lost") from None
        self._require(counting, known)

    def rehearse(self, source: Source, known: Mapping[str, Any]) -> None:
        """See ``Export``."""
        counting = Counting(_Nowhere())
        with source.blob(STREAM) as stream:
            for data in chunks(stream):
                counting.write(data)
        self._require(counting, known)

    def discard(self, operation: str) -> None:
        """See ``Export``."""
        with suppress(FileNotFoundError):
            self._file(operation).unlink()

    def _read(self, operation: str) -> Iterator[bytes]:
        with self._file(operation).open("rb") as file:
            while data := file.read(_COPY):
                yield data

    def _file(self, operation: str) -> Path:
        return self._folder / f"{operation}.export"

    @staticmethod
    def _require(counting: Counting, known: Mapping[str, Any]) -> None:
        if counting.facts() != dict(known):
            raise CannotProve("builtin.export-lost")


class _Nowhere:
    def write(self, data: bytes, /) -> None:
        """Nothing is kept."""
