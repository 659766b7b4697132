"""The README beside a backup works, word for word, with Debian's programs."""

import shlex
import subprocess
from collections.abc import Callable
from pathlib import Path
from random import Random

import pytest

from bot.backups.keys import load_or_create
from bot.backups.readme import readme
from bot.backups.storage.local import LocalStorage
from bot.backups.vault import Vault
from bot.model.backups import Column
from tests.fakes.backups import HARD_COLUMNS, HARD_ROWS

ID = "b20261123-7k2m9qx4tz"


def commands(text: str) -> list[str]:
    return [line[4:] for line in text.splitlines() if line.startswith("    ")]


def test_the_commands_use_public_programs_only() -> None:
    used = {shlex.split(part)[0] for line in commands(readme(ID)) for part in line.split("|")}
    assert used == {"umask", "age", "mkdir", "tar", "find"}
    assert "zstd" in readme(ID)


@pytest.mark.parametrize("folder", ["backups", "back ups"])
def test_a_stranger_opens_a_backup_with_the_readme_alone(
    folder: str, tmp_path: Path, programs: Callable[..., None]
) -> None:
    programs("age", "tar", "zstd")
    master, _ = load_or_create(tmp_path / "worker" / "master.key", any_backup_exists=False)
    store = LocalStorage(tmp_path / folder)
    with Vault(store, master, "T0ACME").sealing(ID) as sealing:
        sealing.table("rows", "../customers", HARD_COLUMNS, HARD_ROWS)
        sealing.table("rows", "big", [Column("id", "sqlite-1")], [(number,) for number in range(3)])
        sealing.table("nullified", "deals.owner_id", [Column("id", "text-1")], [])
        made = sealing.finish({"target": "crm"})
    text = (tmp_path / folder / f"{ID}.README.txt").read_text()
    script = "set -e\n" + "\n".join(commands(text)).replace("MASTER_KEY_FILE", "../worker/master.key")
    done = subprocess.run(
        ["sh", "-c", script], cwd=tmp_path / folder, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")

    opened = tmp_path / folder / ID
    assert sorted(str(one.relative_to(opened)) for one in opened.rglob("*") if one.is_file()) == [
        "MANIFEST.json",
        "README.txt",
        "nullified/1/00001.csv",
        "rows/%2E.%2Fcustomers/00001.csv",
        "rows/big/00001.csv",
    ]
    assert (opened / "README.txt").read_text() == text
    assert (opened / "rows" / "big" / "00001.csv").read_text() == '"id"\n"i0"\n"i1"\n"i2"\n'
    customers = (opened / "rows" / "%2E.%2Fcustomers" / "00001.csv").read_bytes()
    assert customers.startswith('"id","a,b","q""","","名"\n"i1",,"t","f-0.0","b"\n'.encode())
    assert (opened / "MANIFEST.json").read_text().count('"rows"') == 2 + len(made.manifest.tables)
    assert {one.stat().st_mode & 0o077 for one in [opened, *opened.rglob("*")]} == {0}
    assert (tmp_path / folder / f"{ID}.key").stat().st_mode & 0o077 == 0


def test_a_stranger_gets_the_files_of_a_whole_system_out(
    tmp_path: Path, programs: Callable[..., None]
) -> None:
    programs("age", "tar", "zstd")
    folder = tmp_path / "uploads"
    folder.mkdir()
    (folder / "large").write_bytes(Random(5).randbytes(20 * 1024 * 1024))
    (folder / "link").symlink_to("large")
    made = ["tar", "-c", "--format=posix", "--sparse", "--numeric-owner", "-f", "-", "-C", str(folder), "."]
    packed = subprocess.run(made, capture_output=True, check=True).stdout
    master, _ = load_or_create(tmp_path / "master.key", any_backup_exists=False)
    with Vault(LocalStorage(tmp_path / "backups"), master, "T0ACME").sealing(ID) as sealing:
        with sealing.blob("uploads.tar") as out:
            out.write(packed)
        sealing.finish({"target": "crm"})
    text = (tmp_path / "backups" / f"{ID}.README.txt").read_text()
    by_hand = [line for line in text.splitlines() if line.startswith(("cat ", "tar "))]
    lines = "\n".join([*commands(text), "mkdir FOLDER", *by_hand])
    for word, meant in (("MASTER_KEY_FILE", "../master.key"), ("NAME", "uploads.tar")):
        lines = lines.replace(word, meant)
    script = ["sh", "-c", f"set -e\n{lines}"]
    done = subprocess.run(script, cwd=tmp_path / "backups", capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    parts = list((tmp_path / "backups" / ID / "streams" / "uploads.tar").iterdir())
    assert len(parts) > 1
    back = tmp_path / "backups" / "FOLDER"
    assert (back / "large").read_bytes() == (folder / "large").read_bytes()
    assert (back / "link").readlink() == Path("large")


def test_without_the_key_file_the_master_key_opens_nothing(
    tmp_path: Path, programs: Callable[..., None]
) -> None:
    programs("age")
    path = tmp_path / "master.key"
    master, _ = load_or_create(path, any_backup_exists=False)
    vault = Vault(LocalStorage(tmp_path / "backups"), master, "T0ACME")
    with vault.sealing(ID) as sealing:
        sealing.finish({})
    copy = (tmp_path / "backups" / f"{ID}.age").read_bytes()
    vault.shred(ID)
    done = subprocess.run(["age", "-d", "-i", path], input=copy, capture_output=True, check=False)
    assert done.returncode != 0
    assert done.stdout == b""
