"""What the worker remembers of used codes in a file of its own: nobody can take it back in the database.

The file is written durably before the database hears of it: a code that is used up stays used up, whatever
is put back into our tables afterwards. Workers of one machine share it, one at a time.
"""

import fcntl
import json
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from bot.backups.durable import sync_folder, write_durably
from bot.errors import Broken
from bot.proofs.codes import Tally, newer

#: Longer than any ticket lives.
_FORGET = timedelta(days=30)


class Ledger:
    """One file. A file that cannot be read is an error, never an empty one."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def tally(self, user: str) -> Tally:
        """What was used so far, as far as this machine knows."""
        with self._open() as content:
            return _known(content, user)

    def raise_to(self, user: str, tally: Tally) -> None:
        """Remember it, unless more is known already."""
        with self._open() as content:
            content["people"][user] = asdict(newer(_known(content, user), tally))
            self._write(content)

    def spend(self, name: str, now: datetime) -> None:
        """A ticket or a change is over: nobody can put it back."""
        with self._open() as content:
            moment = int(now.timestamp())
            oldest = moment - _FORGET.total_seconds()
            content["spent"] = {one: at for one, at in content["spent"].items() if at >= oldest}
            content["spent"][name] = moment
            self._write(content)

    def is_spent(self, name: str) -> bool:
        """Whether it is over."""
        with self._open() as content:
            return name in content["spent"]

    @contextmanager
    def _open(self) -> Iterator[dict[str, Any]]:
        try:
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            lock = os.open(f"{self._path}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        except OSError as error:
            raise self._unusable(error) from None
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield self._read()
        finally:
            os.close(lock)

    def _read(self) -> dict[str, Any]:
        try:
            text = self._path.read_text(encoding="utf-8")
        except FileNotFoundError:
            return {"people": {}, "spent": {}}
        except OSError as error:
            raise self._unusable(error) from None
        try:
            content = json.loads(text)
            return {"people": dict(content["people"]), "spent": dict(content["spent"])}
        except (ValueError, KeyError, TypeError):
            raise Broken("proof.ledger", path=str(self._path), reason="malformed") from None

    def _write(self, content: dict[str, Any]) -> None:
        part = self._path.with_name(f".{self._path.name}.{secrets.token_hex(8)}.part")
        try:
            write_durably(part, json.dumps(content).encode())
            part.replace(self._path)
            sync_folder(self._path.parent)
        except OSError as error:
            part.unlink(missing_ok=True)
            raise self._unusable(error) from None

    def _unusable(self, error: OSError) -> Broken:
        return Broken("proof.ledger", path=str(self._path), reason=os.strerror(error.errno or 0))


def _known(content: dict[str, Any], user: str) -> Tally:
    data = content["people"].get(user)
    return Tally() if data is None else Tally.from_data(data)
