"""What a torn down system has left, as the parts of a teardown of its own. Pure."""

import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

#: So many files and folders are cleared away by one request.
MOST = 100
#: How it is done, where other teardowns name the method of the configuration.
CLEARING = "method.clearing"
_LONGEST = 60


@dataclass(frozen=True)
class Leftover:
    """One file, folder or account that is to go.

    ``name``: what it is called in the backup and in the quarantine. ``role``: a role or an account of the
    database server; empty: it is a file or a folder. ``kind``: ``user`` or ``group``: ``role`` is one of the
    machine instead.
    """

    name: str
    path: str
    folder: bool
    role: str = ""
    kind: str = ""


def leftovers(found: Iterable[tuple[str, bool]]) -> tuple[Leftover, ...]:
    """Of paths, and whether each is a folder; a path always gets the same name."""
    return tuple(Leftover(_name_of(path), path, folder) for path, folder in found)


def roles(names: Iterable[str], kind: str = "postgresql") -> tuple[Leftover, ...]:
    """Of roles of a PostgreSQL server, or of accounts of another ``kind`` as its statements take them."""
    called = "PostgreSQL role" if kind == "postgresql" else "database account"
    return tuple(Leftover(_name_of(f"role-{one}"), f"{called} {one}", False, one) for one in names)


def people(names: Iterable[tuple[str, str]]) -> tuple[Leftover, ...]:
    """Of users and groups of the machine, each with its kind: users first, because they need their groups."""
    ordered = sorted(names, key=lambda one: one[0] != "user")
    return tuple(
        Leftover(_name_of(f"{kind}-{one}"), f"{kind} {one}", False, one, kind) for kind, one in ordered
    )


def to_data(parts: Sequence[Leftover]) -> list[list[Any]]:
    """As JSON data, for a plan or a backup."""
    more = [[one for one in (part.role, part.kind) if one] for part in parts]
    return [[one.name, one.path, one.folder, *rest] for one, rest in zip(parts, more, strict=True)]


def parts_in(data: Mapping[str, Any] | None) -> tuple[Leftover, ...]:
    """What ``to_data`` wrote, under ``parts``; nothing when it is about a whole system."""
    return tuple(Leftover(*one) for one in (data or {}).get("parts", ()))


def _name_of(path: str) -> str:
    plain = re.sub(r"[^A-Za-z0-9.-]+", "-", path).strip("-.")
    # Two paths may look alike, and a name must not be longer than a file system takes.
    return f"{plain[-_LONGEST:].lstrip('-.')}-{hashlib.sha256(path.encode()).hexdigest()[:8]}"
