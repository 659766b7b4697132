"""Secrets in files: made once, tight, never shown, and refused when anything about the file is odd."""

import multiprocessing
import os
import pickle
import stat
import subprocess
from collections.abc import Callable
from copy import copy
from pathlib import Path

import pytest

from bot.backups.keys import MasterKey, load, load_or_create, load_or_create_secret
from bot.errors import Broken, NotOurs
from tests.fakes.backups import identity, master_key


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_the_first_run_makes_a_tight_file_and_later_runs_read_it(tmp_path: Path) -> None:
    path = tmp_path / "data" / "worker" / "master.key"
    first, created = load_or_create(path, any_backup_exists=False)
    again, created_again = load_or_create(path, any_backup_exists=True)
    assert (created, created_again) == (True, False)
    assert (first.recipient, first.key_id) == (again.recipient, again.key_id)
    assert (mode(path), mode(path.parent)) == (0o600, 0o700)
    assert [one.name for one in path.parent.iterdir()] == ["master.key"]


def test_it_is_tight_whatever_the_umask(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        load_or_create(tmp_path / "w" / "master.key", any_backup_exists=False)
    finally:
        os.umask(before)
    assert (mode(tmp_path / "w" / "master.key"), mode(tmp_path / "w")) == (0o600, 0o700)


def test_the_age_program_takes_the_file(tmp_path: Path, programs: Callable[..., None]) -> None:
    programs("age-keygen")
    path = tmp_path / "master.key"
    master, _ = load_or_create(path, any_backup_exists=False)
    shown = subprocess.run(["age-keygen", "-y", path], capture_output=True, text=True, check=True)
    assert shown.stdout == master.recipient + "\n"


def test_a_missing_key_is_not_replaced_once_a_backup_exists(tmp_path: Path) -> None:
    path = tmp_path / "master.key"
    with pytest.raises(Broken, match=r"backups\.master_missing"):
        load_or_create(path, any_backup_exists=True)
    assert not path.exists()


def _loosened(path: Path, bits: int) -> None:
    path.write_text(identity(1).secret_text() + "\n")
    path.chmod(bits)


def _linked(path: Path) -> None:
    _loosened(path.with_name("real"), 0o600)
    path.symlink_to("real")


ODD: dict[str, tuple[Callable[[Path], object], str]] = {
    "readable by the group": (lambda path: _loosened(path, 0o640), "backups.secret_readable"),
    "readable by everybody": (lambda path: _loosened(path, 0o604), "backups.secret_readable"),
    "writable by the group": (lambda path: _loosened(path, 0o620), "backups.secret_readable"),
    "a symbolic link": (_linked, "backups.secret_link"),
    "a link to nowhere": (lambda path: path.symlink_to("nowhere"), "backups.secret_link"),
    "a named pipe": (os.mkfifo, "backups.secret_link"),
}
CONTENT: dict[str, bytes] = {
    "empty": b"",
    "two keys": (identity(1).secret_text() + "\n").encode() * 2,
    "a public key": identity(1).recipient.encode(),
    "lower case": identity(1).secret_text().lower().encode(),
    "cut off": identity(1).secret_text()[:-1].encode(),
    "only a comment": b"# AGE-SECRET-KEY-1\n",
    "not text": b"\xff\xfe\x00",
    "enormous": b"# x\n" * 5000,
}


@pytest.mark.parametrize("case", ODD)
@pytest.mark.parametrize("used", [False, True])
def test_an_odd_file_is_refused_and_left_alone(case: str, used: bool, tmp_path: Path) -> None:
    make, key = ODD[case]
    make(tmp_path / "master.key")
    before = sorted(one.name for one in tmp_path.iterdir())
    with pytest.raises(NotOurs) as caught:
        load_or_create(tmp_path / "master.key", any_backup_exists=used)
    assert caught.value.key == key
    assert sorted(one.name for one in tmp_path.iterdir()) == before
    with pytest.raises(NotOurs):
        load_or_create_secret(tmp_path / "master.key")


@pytest.mark.parametrize("case", CONTENT)
def test_a_malformed_file_is_refused_and_not_quoted(case: str, tmp_path: Path) -> None:
    path = tmp_path / "master.key"
    path.write_bytes(CONTENT[case])
    path.chmod(0o600)
    for read, key in (
        (load, "backups.master_malformed"),
        (load_or_create_secret, "backups.secret_malformed"),
    ):
        with pytest.raises(NotOurs) as caught:
            read(path)
        assert caught.value.key == key
        assert caught.value.params == {"path": str(path)}
        assert caught.value.__cause__ is None
    assert path.read_bytes() == CONTENT[case]


def test_a_folder_in_place_of_the_file_or_of_a_parent_is_one_clear_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    (tmp_path / "folder").mkdir()
    for path in (tmp_path / "file" / "master.key", tmp_path / "folder"):
        with pytest.raises(Broken):
            load_or_create(path, any_backup_exists=False)


def test_comments_and_blank_lines_are_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "master.key"
    path.write_text(f"# created: yesterday\n\n{identity(1).secret_text()}\n")
    path.chmod(0o400)
    assert load(path).recipient == identity(1).recipient


def _first(path: Path) -> str:
    return load_or_create(path, any_backup_exists=False)[0].key_id


def test_many_first_runs_at_once_agree_on_one_key(tmp_path: Path) -> None:
    with multiprocessing.get_context("spawn").Pool(4) as pool:
        found = pool.map(_first, [tmp_path / "w" / "master.key"] * 8)
    assert len(set(found)) == 1
    assert [one.name for one in (tmp_path / "w").iterdir()] == ["master.key"]


def test_keys_for_other_purposes_are_apart_and_stable() -> None:
    master = master_key()
    assert master.derive("reference") == master.derive("reference")
    assert len({master.derive(purpose) for purpose in ("reference", "key-file", "")}) == 3
    assert master.derive("reference") != master_key(2).derive("reference")
    assert len(master.derive("x", 64)) == 64
    assert (master.key_id, master.derive("reference").hex()) == FROZEN


#: Backups and references of every release depend on these.
FROZEN = (
    "8b3032bea4d940d2",
    "90fbc8d60158d4fea7530613dacb8ba47ca895e12bfb370f86337d6babfeb541",
)


def test_a_master_key_never_shows_itself(tmp_path: Path) -> None:
    master = MasterKey(identity(1))
    secret = identity(1).secret_text()
    assert secret[20:40] not in f"{master!r} {master} {vars(type(master))}"
    for leak in (pickle.dumps, copy):
        with pytest.raises(TypeError):
            leak(master)


def test_a_plain_secret_is_made_once(tmp_path: Path) -> None:
    path = tmp_path / "worker" / "audit.key"
    secret = load_or_create_secret(path)
    assert len(secret) == 32
    assert load_or_create_secret(path) == secret
    assert (mode(path), path.read_text()) == (0o600, secret.hex() + "\n")
    path.write_text(secret.hex().upper() + "\n")
    with pytest.raises(NotOurs, match=r"backups\.secret_malformed"):
        load_or_create_secret(path)
