"""A copy that was brought out of the backup into a place: by its inode and its birth it is known to be ours.

The mark ``out-<name>`` lies in the quarantine before the copy appears, and until it is taken away again. What
stands in the place and is not what the mark says is somebody else's, and is never touched.
"""

import ctypes
import os
import struct
from contextlib import suppress

from bot.targets import ground

#: Device, inode, and the moment of its birth in nanoseconds: inodes are used again at once.
Known = tuple[int, int, int]
_BIRTH = 0x800
_NOFOLLOW = 0x100


def known(folder: int, name: str) -> Known | None:
    """What tells a thing from another of the same name; None when nothing is there."""
    about = ground.look(folder, name)
    return None if about is None else (about.st_dev, about.st_ino, _born(folder, name))


def mark(folder: int, name: str, copy: Known | None) -> None:
    """Write down, durably, that the copy of ``name`` is this one."""
    assert copy is not None
    unfinished = f"{_mark(name)}.new"
    opened = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600, dir_fd=folder)
    try:
        os.write(opened, " ".join(str(one) for one in copy).encode())
        os.fsync(opened)
    finally:
        os.close(opened)
    os.rename(unfinished, _mark(name), src_dir_fd=folder, dst_dir_fd=folder)
    ground.sync(folder)


def marked(folder: int, name: str) -> Known | None:
    """Which copy is out, if one is."""
    try:
        opened = os.open(_mark(name), os.O_RDONLY | os.O_NOFOLLOW, dir_fd=folder)
    except FileNotFoundError:
        return None
    try:
        device, inode, born = os.read(opened, 100).split()
    finally:
        os.close(opened)
    return int(device), int(inode), int(born)


def forget(folder: int, name: str) -> None:
    """No copy is out any more."""
    for one in (_mark(name), f"{_mark(name)}.new"):
        with suppress(FileNotFoundError):
            os.unlink(one, dir_fd=folder)
    ground.sync(folder)


def used(name: str) -> str:
    """What a copy is called while it is taken away."""
    return f"used-{name}"


def _born(folder: int, name: str) -> int:
    """When something was made; 0 where the file system does not remember."""
    answer = bytearray(256)
    libc = ctypes.CDLL(None, use_errno=True)
    room = (ctypes.c_char * len(answer)).from_buffer(answer)
    if libc.statx(folder, os.fsencode(name), _NOFOLLOW, _BIRTH, room):
        return 0
    (mask,) = struct.unpack_from("I", answer)
    seconds, nanoseconds = struct.unpack_from("qI", answer, 0x50)
    return seconds * 10**9 + nanoseconds if mask & _BIRTH else 0


def _mark(name: str) -> str:
    return f"out-{name}"
