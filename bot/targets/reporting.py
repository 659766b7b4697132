"""How a holding says how far it has come, if it wants to.

A backup that is written to or read from carries the reporter, so that no method of a holding has to know of
it: every byte that passes is counted, and ``report_of`` gives it to whoever has more to tell. Counting never
fails.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Protocol, TypeVar

from bot.model.meter import Stage, Unit
from bot.targets.ports import Reader, Sink, Source, Writer

_T = TypeVar("_T")


class Report(Protocol):
    """What is told about one part of a step. Quick, and raises nothing."""

    def begin(self, stage: Stage, size: int = 0) -> None:
        """From here on this is done, and counted from nothing; ``size``: bytes, if known better."""

    def add(self, unit: Unit, n: int = 1) -> None:
        """So many more are done."""


class _Silent:
    def begin(self, stage: Stage, size: int = 0) -> None:
        """Nobody listens."""

    def add(self, unit: Unit, n: int = 1) -> None:
        """Nobody listens."""


SILENT: Report = _Silent()


class WatchedSink:
    """A backup being made, and who is told about it."""

    def __init__(self, sink: Sink, report: Report) -> None:
        self.report = report
        self._sink = sink

    @contextmanager
    def blob(self, name: str) -> Iterator[Writer]:
        """See ``Sink``."""
        with self._sink.blob(name) as out:
            yield _Writing(out, self.report)


class WatchedSource:
    """A backup being read, and who is told about it."""

    def __init__(self, source: Source, report: Report) -> None:
        self.report = report
        self._source = source

    @contextmanager
    def blob(self, name: str) -> Iterator[Reader]:
        """See ``Source``."""
        with self._source.blob(name) as stream:
            yield _Reading(stream, self.report)


def report_of(stream: Sink | Source) -> Report:
    """Who is told about what becomes of this backup; nobody, if nobody listens."""
    return stream.report if isinstance(stream, (WatchedSink, WatchedSource)) else SILENT


def counted(items: Iterable[_T], report: Report, unit: Unit) -> Iterator[_T]:
    """The same, each told when it passes."""
    for item in items:
        yield item
        report.add(unit)


class _Writing:
    def __init__(self, out: Writer, report: Report) -> None:
        self._out = out
        self._report = report

    def write(self, data: bytes, /) -> None:
        """See ``Writer``."""
        self._out.write(data)
        self._report.add("bytes", len(data))


class _Reading:
    def __init__(self, stream: Reader, report: Report) -> None:
        self._stream = stream
        self._report = report

    def read(self, size: int, /) -> bytes:
        """See ``Reader``."""
        data = self._stream.read(size)
        self._report.add("bytes", len(data))
        return data
