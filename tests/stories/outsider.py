"""Somebody from outside: opens a backup with age, tar and zstd, and reads it by docs/backup-format.md alone."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.stories.shop import KEYS, Key, Row

Cells = list[list[str | None]]


def opened(store: Path, backup: str, master_key: Path, aside: Path) -> tuple[dict[str, Any], Path]:
    """The manifest, and the folder in which the tar lies unpacked."""
    aside.mkdir(parents=True)
    identity = aside / "identity"
    identity.write_bytes(_run("age", "-d", "-i", str(master_key), str(store / f"{backup}.key.age")))
    archive = _run("age", "-d", "-i", str(identity), str(store / f"{backup}.age"))
    _run("tar", "-x", "-C", str(aside), stdin=archive)
    return json.loads((aside / "MANIFEST.json").read_text(encoding="utf-8")), aside


def tables(
    store: Path, backup: str, master_key: Path, aside: Path
) -> tuple[dict[str, dict[Key, Row]], list[Row]]:
    """The rows of every table by their keys, and the links that were emptied as rows."""
    manifest, folder = opened(store, backup, master_key, aside)
    rows: dict[str, dict[Key, Row]] = {}
    links: list[Row] = []
    for table in manifest["tables"]:
        codecs = {column["name"]: column["codec"] for column in table["columns"]}
        found = list(_rows(folder / table["folder"], codecs))
        if table["kind"] == "nullified":
            links += found
        else:
            rows[table["name"]] = {
                tuple(_as_number(row[name]) for name in KEYS[table["name"]]): row for row in found
            }
    return rows, links


def _rows(folder: Path, codecs: dict[str, str]) -> list[Row]:
    parts = sorted(folder.glob("*.csv.zst"))
    text = b"".join(_run("zstd", "-d", "-c", str(part)) for part in parts).decode()
    head, *lines = _cells(text)
    assert head == list(codecs)
    return [
        {name: _value(codecs[name], cell) for name, cell in zip(codecs, line, strict=True)} for line in lines
    ]


def _cells(text: str) -> Cells:
    """Cells are nothing, or quoted with doubled quotes; commas between, a line feed at the end of a row."""
    rows: Cells = [[]]
    place = 0
    while place < len(text):
        cell: str | None = None
        if text[place] == '"':
            end = place + 1
            while text[end] != '"' or text[end + 1] == '"':
                end += 2 if text[end] == '"' else 1
            cell = text[place + 1 : end].replace('""', '"')
            place = end + 1
        rows[-1].append(cell)
        if text[place] == "\n":
            rows.append([])
        else:
            assert text[place] == ","
        place += 1
    assert rows.pop() == []
    return rows


def _value(codec: str, cell: str | None) -> Any:
    if cell is None:
        return None
    if codec != "sqlite-1":
        return cell
    kind, rest = cell[0], cell[1:]
    readers: dict[str, Callable[[str], Any]] = {"i": int, "f": float, "t": str, "b": bytes.fromhex}
    return readers[kind](rest)


def _as_number(value: Any) -> Any:
    return int(value) if isinstance(value, str) and value.isdigit() else value


def _run(*command: str, stdin: bytes | None = None) -> bytes:
    done = subprocess.run(command, input=stdin, capture_output=True, check=False, timeout=60)
    assert done.returncode == 0, f"{command}: {done.stderr.decode()}"
    return done.stdout
