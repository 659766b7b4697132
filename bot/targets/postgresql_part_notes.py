"""Who may use a schema, taken away and given back exactly. Pure: facts in, statements out.

What it was is noted in the comment of the schema that is set aside, in the transaction that takes it away, so
that it is known again after a crash.
"""

import hashlib
import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Self

from bot.targets.postgresql_sql import constant, quote

#: Grantor, grantee (empty: everybody), privilege, whether it may be passed on.
Grant = tuple[str, str, str, bool]
_MOST = 63
_MARK = "countersign "


@dataclass(frozen=True)
class Link:
    """A foreign key to a table outside. ``number``: its own; ``schema``: at home; ``owner``: of its table."""

    number: int
    schema: str
    table: str
    name: str
    definition: str
    owner: str

    def adding(self, schema: str) -> str:
        """The statement that makes it again at its table, in a schema that may have another name."""
        table = f"{quote(schema)}.{quote(self.table)}"
        return f"ALTER TABLE {table} ADD CONSTRAINT {quote(self.name)} {self.definition}"


@dataclass(frozen=True)
class Note:
    """What a schema that is set aside was like. ``copy``: the numbers of the copies that we brought out."""

    grants: tuple[Grant, ...]
    comment: str | None
    copy: Mapping[str, int] = field(default_factory=dict)

    def written(self) -> str:
        """As a comment."""
        return _MARK + json.dumps(asdict(self))

    @classmethod
    def of(cls, comment: str | None) -> Self | None:
        """What ``written`` wrote; None for anything else."""
        if comment is None or not comment.startswith(_MARK):
            return None
        try:
            body = json.loads(comment.removeprefix(_MARK))
            grants = tuple((by, to, what, bool(may)) for by, to, what, may in body["grants"])
            return cls(grants, body["comment"], dict(body["copy"]))
        except (KeyError, TypeError, ValueError, AttributeError):
            return None


def beside_schema(schema: str, suffix: str) -> str:
    """The name of a schema that belongs to another one. A long name is cut, and told apart by its sum."""
    whole = schema + suffix
    if len(whole.encode()) <= _MOST:
        return whole
    told = "_" + hashlib.sha256(schema.encode()).hexdigest()[:8] + suffix
    return schema.encode()[: _MOST - len(told.encode())].decode(errors="ignore") + told


def closing(schema: str, into: str, note: Note, keep: Collection[str]) -> Sequence[str]:
    """Another name for a schema, and nobody may use it but those in ``keep``; what it was is noted there."""
    return [
        f"ALTER SCHEMA {quote(schema)} RENAME TO {quote(into)}",
        *_emptied(into, note.grants),
        *(f"GRANT USAGE ON SCHEMA {quote(into)} TO {quote(role)}" for role in sorted(keep)),
        noting(into, note),
    ]


def noting(schema: str, note: Note) -> str:
    """The statement that writes it down."""
    return _commented(schema, note.written())


def opening_again(
    schema: str, into: str, note: Note, now: Sequence[Grant], roles: Collection[str]
) -> Sequence[str]:
    """The other way round. ``now``: who may use it now; ``roles``: those there are."""
    return [
        f"ALTER SCHEMA {quote(schema)} RENAME TO {quote(into)}",
        *_emptied(into, now),
        *_granted(into, wanted(note, roles)),
        _commented(into, note.comment),
    ]


def wanted(note: Note, roles: Collection[str]) -> tuple[Grant, ...]:
    """The grants that can be given again: those by and to roles that are still there."""
    return tuple(one for one in note.grants if one[0] in roles and (not one[1] or one[1] in roles))


def _emptied(schema: str, grants: Sequence[Grant]) -> Sequence[str]:
    # CASCADE takes what was passed on, by whomever; it reaches no further than this schema's rights.
    who = sorted({to for _, to, _, _ in grants})
    return [f"REVOKE ALL ON SCHEMA {quote(schema)} FROM {_role(to)} CASCADE" for to in who]


def _granted(schema: str, grants: Sequence[Grant]) -> Sequence[str]:
    """First what the owner gave, then what those passed on who got it: each in the name of who gave it."""
    found: list[str] = []
    left = list(grants)
    givers = {by for by, to, _, _ in grants if by == to} or {by for by, _, _, _ in grants}
    while left:
        ready = [one for one in left if one[0] in givers] or left
        # A right that cannot be given in this order is tried all the same: the server says why.
        for by, to, what, may in ready:
            option = " WITH GRANT OPTION" if may else ""
            found.append(f"SET LOCAL ROLE {quote(by)}")
            found.append(f"GRANT {what} ON SCHEMA {quote(schema)} TO {_role(to)}{option}")
            found.append("RESET ROLE")
            givers |= {to} if may else set()
        left = [one for one in left if one not in ready]
    return found


def _role(name: str) -> str:
    return quote(name) if name else "PUBLIC"


def _commented(schema: str, comment: str | None) -> str:
    return f"COMMENT ON SCHEMA {quote(schema)} IS{' NULL' if comment is None else constant(comment)}"
