"""A backup in memory: what a holding writes it can read again. Sink and Source of ``bot.targets.system``."""

import hashlib
import io
from collections.abc import Iterator
from contextlib import contextmanager

from bot.errors import NotOurs


class HashedBytes(io.BytesIO):
    """A stream of a backup, as ``bot.targets.ports.Stream`` wants it."""

    @property
    def sha256(self) -> str:
        """Hex digits over everything in it."""
        return hashlib.sha256(self.getbuffer()).hexdigest()


class MemoryBackup:
    """Streams by name."""

    def __init__(self) -> None:
        self.streams: dict[str, bytes] = {}
        self._reading = False

    @contextmanager
    def blob(self, name: str) -> Iterator[HashedBytes]:
        """Write a name for the first time, read it from then on, as ``Sealing`` and ``OpenedBackup`` do."""
        if name in self.streams:
            yield HashedBytes(self.streams[name])
            return
        if self._reading:
            raise NotOurs("backups.no_stream")
        out = HashedBytes()
        yield out
        self.streams[name] = out.getvalue()

    def sealed(self) -> "MemoryBackup":
        """From now on nothing is written."""
        self._reading = True
        return self
