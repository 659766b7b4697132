"""Everything a folder may hold that is no ordinary file: it comes back as it was, or is refused or told before."""

import fcntl
import os
import socket
import stat
import struct
from collections.abc import Callable
from pathlib import Path

import pytest

from bot.errors import CountersignError
from bot.targets.files import FolderHolding
from tests.contracts.test_files import OP, copied, holding, written
from tests.fakes.systems import restored

#: A list of rights in the kernel's own form: the owner, user 12345 reads, the group, the mask, others.
ACL = struct.pack("<I", 2) + b"".join(
    struct.pack("<HHI", tag, perm, who)
    for tag, perm, who in (
        (1, 6, 0xFFFFFFFF),
        (2, 4, 12345),
        (4, 4, 0xFFFFFFFF),
        (16, 4, 0xFFFFFFFF),
        (32, 0, 0xFFFFFFFF),
    )
)
#: cap_net_bind_service=ep
CAPABILITY = struct.pack("<5I", 0x02000001, 1 << 10, 0, 0, 0)
LONGEST = b"\xff" * 255
MEGABYTE = 1024 * 1024


def deep(place: Path, levels: int) -> None:
    for _ in range(levels):
        place = place / "d"
        place.mkdir()
    (place / "end").write_text("deep")


def file(place: Path, name: str = "file", text: str = "text") -> Path:
    (place / name).write_text(text)
    return place / name


def fifo(place: Path) -> Path:
    os.mkfifo(place / "pipe", 0o620)
    return place / "pipe"


def sparse(place: Path, end: bytes) -> None:
    with (place / "sparse").open("wb") as out:
        out.truncate(16 * MEGABYTE)
        out.seek(8 * MEGABYTE)
        out.write(b"island")
        out.seek(16 * MEGABYTE)
        out.write(end)


def twice(place: Path) -> None:
    os.link(file(place), place / "again")
    (place / "link").symlink_to("nowhere")
    os.link(place / "link", place / "link again", follow_symlinks=False)


Plant = Callable[[Path], object]


def long_names(place: Path) -> None:
    box = place / os.fsdecode(LONGEST)
    box.mkdir()
    file(box, os.fsdecode(LONGEST))


def special_modes(place: Path) -> None:
    file(place).chmod(0o6755)
    (place / "box").mkdir()
    (place / "box").chmod(0o3777)


def nobody_may(place: Path) -> None:
    file(place).chmod(0)
    os.chown(place / "file", 12345, 23456)


def lists_of_rights(place: Path) -> None:
    os.setxattr(file(place), "system.posix_acl_access", ACL)
    (place / "box").mkdir()
    os.setxattr(place / "box", "system.posix_acl_default", ACL)


def capable(place: Path) -> None:
    os.chown(file(place), 12345, 0)
    os.setxattr(place / "file", "security.capability", CAPABILITY)


def attributes(place: Path) -> None:
    os.setxattr(file(place), "user.empty", b"")
    os.setxattr(place / "file", "trusted.zero", b"\0\n\xff")


def link_with_attribute(place: Path) -> None:
    (place / "link").symlink_to("/etc/passwd")
    os.setxattr(place / "link", "trusted.x", b"1", follow_symlinks=False)


def odd_times(place: Path) -> None:
    os.utime(file(place), ns=(0, -1_234_567_890))
    os.utime(file(place, "late"), ns=(0, 7_258_118_400_123_456_789))


def options(place: Path) -> None:
    for name in ("--checkpoint-action=exec=sh x", "-T", "@", "!", "\\n", "a\\"):
        file(place, name)


COMES_BACK: list[tuple[str, Plant]] = [
    ("a name that is no text", lambda place: file(place, os.fsdecode(b"caf\xe9\n\\\x01"))),
    ("names of 255 bytes, a folder and a file in it", long_names),
    ("190 folders in each other", lambda place: deep(place, 190)),
    ("setuid, setgid and sticky", special_modes),
    ("nobody may do anything", nobody_may),
    ("rights by list, also for what will be made", lists_of_rights),
    ("capabilities of a program of somebody else", capable),
    ("attributes of users and of root, empty and with zeros", attributes),
    ("a link with an attribute", link_with_attribute),
    ("holes before, between and up to the end", lambda place: sparse(place, b"")),
    ("holes and an end", lambda place: sparse(place, b"end")),
    ("one thing under two names: a file, a link", twice),
    ("a pipe, to which nobody writes", fifo),
    ("times before 1970 and in another century", odd_times),
    ("a link as long as can be", lambda place: (place / "link").symlink_to("x" * 4000)),
    ("names that tar takes for options", options),
]


def deep_and_long(place: Path) -> None:
    """60 folders of names so long that the whole path is past PATH_MAX; made step by step."""
    opened = os.open(place, os.O_RDONLY | os.O_DIRECTORY)
    for _ in range(60):
        os.mkdir("d" * 100, dir_fd=opened)
        below = os.open("d" * 100, os.O_RDONLY | os.O_DIRECTORY, dir_fd=opened)
        os.close(opened)
        opened = below
    os.close(os.open("end", os.O_CREAT | os.O_WRONLY, dir_fd=opened))
    os.close(opened)


@pytest.mark.parametrize(("case", "plant"), COMES_BACK, ids=[row[0] for row in COMES_BACK])
def test_it_is_backed_up_removed_and_comes_back_as_it_was(tmp_path: Path, case: str, plant: Plant) -> None:
    root = tmp_path / "srv"
    (root / "crm").mkdir(parents=True)
    root.chmod(0o755)
    plant(root / "crm")
    before, extended, one = shown(root / "crm"), attributes_of(root / "crm"), holding(root)
    assert one.survey().warnings == ()
    backup = copied(one)
    assert len(backup.streams["uploads.tar"]) < MEGABYTE, "holes are not written out"
    one.rehearse(OP, backup)
    one.set_aside(OP, backup)
    assert one.remove(OP, backup).left == (), case
    assert list(root.iterdir()) == []
    restored(one, OP, backup)
    assert shown(root / "crm") == before
    assert attributes_of(root / "crm") == extended
    assert not (root / "crm" / "sparse").exists() or (root / "crm" / "sparse").stat().st_blocks < 1000


def shown(place: Path) -> list[tuple[object, ...]]:
    """All of it; what is one thing under two names is told as that."""
    names: dict[int, str] = {}
    return [
        (
            one.path,
            one.type,
            one.mode,
            one.uid,
            one.gid,
            one.size * (one.type != "folder"),
            one.mtime_ns,
            one.target,
            one.sha256,
            one.xattrs,
            names.setdefault(one.inode, one.path),
        )
        for one in written(place)
    ]


def attributes_of(place: Path) -> dict[str, dict[str, bytes]]:
    """Of links too, which no list of ours holds."""
    return {
        str(one.relative_to(place)): {
            name: os.getxattr(one, name, follow_symlinks=False)
            for name in os.listxattr(one, follow_symlinks=False)
        }
        for one in place.glob("*")
    }


def marked(place: Path, mark: int) -> None:
    """With this mark of immutable (0x10) and growing only (0x20), or none. The others are the file system's own:
    without *extents* ext4 would write the file anew, which it cannot always do."""
    opened = os.open(place, os.O_RDONLY)
    others = int.from_bytes(fcntl.ioctl(opened, 0x80086601, bytes(8)), "little") & ~0x30
    fcntl.ioctl(opened, 0x40086602, (others | mark).to_bytes(8, "little"))
    os.close(opened)


def growing_folder(place: Path) -> None:
    (place / "box").mkdir()
    marked(place / "box", 0x20)


REFUSED: list[tuple[str, Plant, str]] = [
    ("a path longer than the kernel takes in one call", deep_and_long, "files.too-long"),
    ("more folders in each other than anybody restores", lambda place: deep(place, 210), "files.too-deep"),
    (
        "a device",
        lambda place: os.mknod(place / "null", stat.S_IFCHR | 0o666, os.makedev(1, 3)),
        "files.device",
    ),
    ("an immutable file", lambda place: marked(file(place), 0x10), "files.marked"),
    ("a file that only grows", lambda place: marked(file(place), 0x20), "files.marked"),
    (
        "a folder that only grows",
        growing_folder,
        "files.marked",
    ),
]


@pytest.mark.parametrize(("case", "plant", "key"), REFUSED, ids=[row[0] for row in REFUSED])
def test_it_is_refused_while_planning(tmp_path: Path, case: str, plant: Plant, key: str) -> None:
    (tmp_path / "srv" / "crm").mkdir(parents=True)
    (tmp_path / "srv").chmod(0o755)
    plant(tmp_path / "srv" / "crm")
    try:
        with pytest.raises(CountersignError) as caught:
            holding(tmp_path / "srv").survey()
        assert caught.value.key == key, case
    finally:
        for name in ("file", "box"):
            if (tmp_path / "srv" / "crm" / name).exists():
                marked(tmp_path / "srv" / "crm" / name, 0)


def listening(place: Path) -> None:
    with socket.socket(socket.AF_UNIX) as one:
        one.bind(str(place / "s"))


TOLD: list[tuple[str, Plant, str, bool]] = [
    ("a socket, which its program makes anew", listening, "files.told-sockets", False),
    (
        "a file with another name elsewhere",
        lambda place: os.link(file(place), place.parent / "survivor"),
        "files.told-leaving",
        True,
    ),
]


@pytest.mark.parametrize(("case", "plant", "key", "survives"), TOLD, ids=[row[0] for row in TOLD])
def test_it_is_told_in_the_plan(tmp_path: Path, case: str, plant: Plant, key: str, *, survives: bool) -> None:
    root = tmp_path / "srv"
    (root / "c").mkdir(parents=True)
    root.chmod(0o755)
    plant(root / "c")
    one = FolderHolding("uploads", str(root / "c"), [str(root)])
    assert [told[0] for told in one.survey().warnings] == [key], case
    backup = copied(one)
    one.rehearse(OP, backup)
    one.set_aside(OP, backup)
    assert one.remove(OP, backup).left == ()
    assert (root / "survivor").exists() is survives
    restored(one, OP, backup)
    if survives:
        assert (root / "survivor").read_text() == "text"
        assert (root / "c" / "file").read_text() == "text"
        assert not (root / "survivor").samefile(root / "c" / "file"), "two files from now on"
