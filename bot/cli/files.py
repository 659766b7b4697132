"""Files that a command leaves: new, and for their owner alone."""

import os
from collections.abc import Iterable
from pathlib import Path

from bot.errors import BadInput


def write_new(path: Path, content: bytes) -> None:
    """Write a file that was not there, mode 0600.

    Raises:
        BadInput: it is there already, or cannot be written.
    """
    write_pieces(path, [content])


def write_pieces(path: Path, content: Iterable[bytes]) -> None:
    """The same, piece by piece; raises as ``write_new``."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as stream:
            stream.writelines(content)
            stream.flush()
            os.fsync(stream.fileno())
    except OSError as error:
        raise BadInput("cli.cannot-write", path=str(path), why=error.strerror or "") from None


def new_folder(path: Path) -> None:
    """Make a folder that was not there, mode 0700.

    Raises:
        BadInput: it is there already, or cannot be made.
    """
    try:
        path.mkdir(mode=0o700)
    except OSError as error:
        raise BadInput("cli.cannot-write", path=str(path), why=error.strerror or "") from None
