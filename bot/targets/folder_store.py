"""A folder as a place of attachments: ``attachments`` moves its files, ``attachment_copies`` copies them."""

import os
from collections.abc import Collection, Iterable, Sequence

from bot.errors import CannotProve
from bot.targets import attachment_copies
from bot.targets.attachment_copies import listed
from bot.targets.attachment_store import Found, Health, Met, Words
from bot.targets.attachment_tar import prove
from bot.targets.attachments import FileRoot
from bot.targets.entries import Entry
from bot.targets.ports import Sink, Source


class FolderStore:
    """See ``AttachmentStore``."""

    words = Words(odd="told.files-odd", left="attached.left", step="step.files-aside")

    def __init__(self, path: str) -> None:
        self._root = FileRoot(path)

    @property
    def path(self) -> str:
        """See ``AttachmentStore``."""
        return self._root.path

    @property
    def identity(self) -> str:
        """See ``AttachmentStore``."""
        return self._root.path

    def look(self, names: Iterable[str]) -> Found:
        """See ``AttachmentStore``."""
        return self._root.look(names)

    def copy(self, files: Sequence[Entry], sink: Sink, stream: str) -> tuple[Entry, ...]:
        """See ``AttachmentStore``."""
        return attachment_copies.copy(self._root, files, sink, stream)

    def prove(self, source: Source, stream: str, files: Sequence[Entry]) -> None:
        """See ``AttachmentStore``."""
        if listed(source, stream) != tuple(files):
            raise CannotProve("attached.not-copied")
        prove(source, stream, files, [entry.path for entry in files])

    def set_aside(self, operation: str, files: Sequence[Entry]) -> None:
        """See ``AttachmentStore``."""
        self._root.set_aside(operation, files)

    def put_back(self, operation: str) -> None:
        """See ``AttachmentStore``."""
        self._root.put_back(operation)

    def remove(self, operation: str) -> int:
        """See ``AttachmentStore``."""
        return self._root.remove(operation)

    def waiting(self) -> list[str]:
        """See ``AttachmentStore``."""
        return self._root.waiting()

    def meet(
        self,
        source: Source,
        stream: str,
        backup: str,  # noqa: ARG002 - out of its place it is gone
        only: Collection[str] | None = None,
    ) -> Met:
        """See ``AttachmentStore``."""
        files = [one for one in listed(source, stream) if only is None or one.path in only]
        return attachment_copies.meet(self._root, files)

    def place(
        self,
        operation: str,
        source: Source,
        stream: str,
        wanted: Collection[str],
        backup: str,  # noqa: ARG002 - what lies in the quarantine is in nobody's way
    ) -> int:
        """See ``AttachmentStore``."""
        files = listed(source, stream)
        return attachment_copies.place(self._root, operation, source, stream, files, wanted)

    def unplace(self, operation: str) -> None:
        """See ``AttachmentStore``."""
        attachment_copies.unplace(self._root, operation)

    def settled(self, operation: str) -> None:
        """See ``AttachmentStore``."""
        attachment_copies.settled(self._root, operation)

    def inspect(self) -> Health:
        """See ``AttachmentStore``."""
        with self._root.opened() as opened:
            here = {"dir_fd": opened, "effective_ids": True}
            if os.access(".", os.R_OK | os.W_OK | os.X_OK, **here):  # type: ignore[arg-type]  # one mapping for both
                return Health()
        return Health(fatal=(("attached.no-right", {"root": self.path}),))
