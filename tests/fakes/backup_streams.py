"""A backup in memory: what a holding writes it can read again. Sink and Source of ``bot.targets.system``."""

from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO

from bot.errors import NotOurs


class MemoryBackup:
    """Streams by name."""

    def __init__(self) -> None:
        self.streams: dict[str, bytes] = {}
        self._reading = False

    @contextmanager
    def blob(self, name: str) -> Iterator[BytesIO]:
        """Write a name for the first time, read it from then on, as ``Sealing`` and ``OpenedBackup`` do."""
        if name in self.streams:
            yield BytesIO(self.streams[name])
            return
        if self._reading:
            raise NotOurs("backups.no_stream")
        out = BytesIO()
        yield out
        self.streams[name] = out.getvalue()

    def sealed(self) -> "MemoryBackup":
        """From now on nothing is written."""
        self._reading = True
        return self
