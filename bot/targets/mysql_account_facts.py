"""An account of MariaDB or MySQL: all that makes it again, and what keeps it from being only one system's.

What makes it again is what the server itself writes: SHOW CREATE USER and SHOW GRANTS, without the name.
The password in it is the server's verifier, and never leaves the backup.
"""

import hashlib
import json
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Self

from bot.errors import NotOurs
from bot.targets.account_form import opened, sealed
from bot.targets.mysql_accounts import escaped, named
from bot.targets.mysql_admin import Server
from bot.targets.mysql_grants import like
from bot.targets.ports import Told

_QUOTED = r"'(?:[^'\\]|''|\\.)*'"
_LOCK = re.compile(rf"({_QUOTED})| ACCOUNT (?:UN)?LOCK\b", re.DOTALL)
#: A statement, once every text in it is empty.
_PLAIN = re.compile(r"(?:[\w .,]|'')*")
_RIGHT = re.compile(r"GRANT ([A-Z, ]+) ON (`(?:[^`]|``)+`\.\*) TO (?: WITH GRANT OPTION)?")
#: What people see of how it logs in, of what is written outside of texts.
_SEEN = re.compile(
    r"(?<!PASSWORD )REQUIRE (?!NONE)\w+|MAX_\w+ [\d.]+"
    r"|PASSWORD EXPIRE(?: NEVER| INTERVAL \d+ DAY)?(?! DEFAULT)"
    r"|FAILED_LOGIN_ATTEMPTS \d+|PASSWORD_LOCK_TIME \w+"
)
_IN_DATABASES = "SELECT User, Host, Db FROM mysql.db"
_IN_PARTS = """
SELECT User, Host, CONCAT(Db, '.', Table_name) FROM mysql.tables_priv
UNION SELECT User, Host, CONCAT(Db, '.', Table_name) FROM mysql.columns_priv
UNION SELECT User, Host, CONCAT(Db, '.', Routine_name) FROM mysql.procs_priv
"""
PROXIES = "SELECT User, Host, Proxied_user, Proxied_host FROM mysql.proxies_priv"


@dataclass(frozen=True)
class Who:
    """An account by its name."""

    user: str
    host: str

    @classmethod
    def of(cls, typed: str) -> Self:
        """As ``typed`` wrote it."""
        found = re.fullmatch(f"({_QUOTED})(?:@({_QUOTED}))?", typed, re.DOTALL)
        user, host = found.groups() if found else (None, None)
        return cls(_read(user or "''"), _read(host or "''"))

    @property
    def typed(self) -> str:
        """As a statement takes it."""
        parts = [self.user, self.host] if self.host else [self.user]
        return "@".join("'" + one.replace("\\", "\\\\").replace("'", "''") + "'" for one in parts)

    @property
    def quoted(self) -> str:
        """As the server writes it."""
        return named(f"{self.user}@{self.host}")

    def is_at(self, written: str) -> bool:
        """Whether ``user@host`` is this one; the case of a host says nothing."""
        user, _, host = written.rpartition("@")
        return (user, host.lower()) == (self.user, self.host.lower())


def _read(literal: str) -> str:
    return literal[1:-1].replace("''", "'").replace("\\\\", "\\")


@dataclass(frozen=True)
class AccountFacts:
    """An account. ``made``: the statements that make it, locked; ``grants``: those that let it do something.

    Both end or go on where the name is left out: (before, after). ``about``: what else the server says of
    it, without secrets. ``mark``: another account of the same name has another one; it is made of the
    password. ``since``: when that was set. ``kept``: there is nothing that we would not make again.
    """

    made: tuple[tuple[str, str], ...]
    grants: tuple[tuple[str, str], ...]
    login: bool
    about: Mapping[str, str | int | float | bool | None]
    mark: str
    since: str
    kept: bool

    @property
    def known_by(self) -> str:
        """See ``Account``."""
        return self.mark

    @property
    def rights(self) -> tuple[str, ...]:
        """As people read them."""
        return tuple(before.removeprefix("GRANT ").removesuffix(" TO ") for before, _ in self.grants)

    @property
    def places(self) -> tuple[str, ...]:
        """The databases that they are about, as the server spells them: each may be a pattern."""
        found = (_RIGHT.fullmatch(before + after) for before, after in self.grants)
        return tuple(dict.fromkeys(one[2][1:-3].replace("``", "`") for one in found if one))

    @property
    def words(self) -> tuple[str, ...]:
        """How it logs in, where that is anything special."""
        plain = "".join(re.sub(_QUOTED, "''", after) for _, after in self.made)
        return tuple(dict.fromkeys(found[0] for found in _SEEN.finditer(plain)))

    @property
    def seen(self) -> Mapping[str, str]:
        """See ``Account``."""
        body = json.dumps([self.about, self.grants, self.login, self.words], sort_keys=True)
        return {"number": self.since, "what": hashlib.sha256(body.encode()).hexdigest()}

    def dump(self) -> bytes:
        """For a backup: its hash on a line, and what makes it again."""
        return sealed(asdict(self))

    @classmethod
    def of(cls, raw: bytes) -> Self:
        """What ``dump`` wrote.

        Raises:
            NotOurs: it is not what was written.
        """
        try:
            body = opened(raw)
            for name in ("made", "grants"):
                body[name] = tuple((str(before), str(after)) for before, after in body[name])
            return cls(**body)
        except (KeyError, TypeError, ValueError, AttributeError):
            raise NotOurs("backups.damaged") from None

    def is_same(self, other: Self) -> bool:
        """Whether it is the same but for its name, whether it is locked, and when its password was set."""
        mine, theirs = sorted(self.grants), sorted(other.grants)
        return (self.made, mine, self.about) == (other.made, theirs, other.about) and self.kept and other.kept

    def making(self, who: Who) -> Iterator[str]:
        """The statements that make it under this name, locked."""
        yield from (before + who.quoted + after for before, after in (*self.made, *self.grants))


def facts(server: Server, who: Who) -> AccountFacts | None:
    """All about this account; None when there is none of that name."""
    rows = server.ask(server.kind.account, (who.user, who.host))
    if not rows:
        return None
    locked, since, about, mark, odd = rows[0]
    made = [_cut(str(line), who) for (line,) in server.ask(f"SHOW CREATE USER {who.quoted}")]
    lines = [_cut(str(line), who) for (line,) in server.ask(f"SHOW GRANTS FOR {who.quoted}")]
    grants = [one for one in lines if not one[0].startswith("GRANT USAGE ON *.* ")]
    plain = [before + re.sub(_QUOTED, "''", after, flags=re.DOTALL) for before, after in made]
    kept = (
        odd == "0"
        and all(before.endswith(" USER ") for before, _ in made)
        and all(_PLAIN.fullmatch(one) for one in plain)
        and all(_RIGHT.fullmatch(before + after) for before, after in grants)
    )
    closed = [(before, _locked(after, says=server.kind.says_unlocked)) for before, after in made[:1]]
    return AccountFacts(
        made=(*closed, *made[1:]),
        grants=tuple(grants),
        login=locked == "0",
        about=json.loads(about),
        mark=mark,
        since=since or "",
        kept=kept,
    )


def _cut(line: str, who: Who) -> tuple[str, str]:
    """What stands before its name and after it; all of it before where it is not found."""
    before, _, after = line.partition(who.quoted)
    return before, after


def _locked(after: str, *, says: bool) -> str:
    """The same for one that nobody logs in as; ``says``: the server also writes that one is not locked."""
    to = " ACCOUNT LOCK" if says else ""
    closed = _LOCK.sub(lambda found: found[1] or to, after)
    return closed if says else closed + " ACCOUNT LOCK"


def known_by(server: Server, who: Who) -> str | None:
    """What tells it from another one of its name; None when there is none."""
    rows = server.ask(server.kind.account, (who.user, who.host))
    return str(rows[0][3]) if rows else None


def here(server: Server, database: str, spelled: Collection[str]) -> frozenset[str]:
    """Which of these, as rights spell them, mean this database, and no other one that is there."""
    written = escaped(database)[1:-1].replace("``", "`")
    there = [name for (name,) in server.ask("SELECT SCHEMA_NAME FROM information_schema.SCHEMATA")]
    alone = not any(like(database, one) for one in there if not server.same(one, database))
    return frozenset(
        one for one in spelled if server.same(one, written) or (alone and server.same(one, database))
    )


def outside(server: Server, database: str, who: Who) -> list[tuple[str, str]]:
    """What the account has to do with besides rights on all of the database: (what, where or who).

    Of none of it a restore would bring all back, or it is somebody else's.
    """
    kind = server.kind
    places = [(f"{user}@{host}", place) for user, host, place in server.ask(_IN_DATABASES)]
    own = here(server, database, {place for _, place in places})
    found = [
        ("owns", "*.*")
        for user, host, all_ in server.ask(kind.accounts)
        if all_ != "0" and who.is_at(f"{user}@{host}")
    ]
    found += [("owns", place) for one, place in places if place not in own and who.is_at(one)]
    found += [("parts", place) for user, host, place in server.ask(_IN_PARTS) if who.is_at(f"{user}@{host}")]
    found += [("runs", place) for definer, place in server.ask(kind.runs) if who.is_at(definer)]
    for user, host, role in server.ask(kind.roles):
        one = f"{user}@{host}"
        if who.is_at(one):
            found.append(("roles", role.removesuffix("@")))
        if who.is_at(role):
            found.append(("roles", one))
    for user, host, other, at in server.ask(PROXIES):
        pair = (f"{user}@{host}", f"{other}@{at}")
        if any(map(who.is_at, pair)):
            found.append(("stands-in", next((one for one in pair if not who.is_at(one)), pair[0])))
    return list(dict.fromkeys(found))


def others(server: Server, who: Who, along: Collection[str]) -> list[str]:
    """Accounts of the same user name elsewhere, whose sessions nobody tells from this one's.

    ``along``: those that go with it. One without a name lets in whoever has another one.
    """
    there = [Who(user, host) for user, host, _ in server.ask(server.kind.accounts)]
    return sorted(
        one.typed
        for one in there
        if one.user in ("", who.user) and one.host and one != who and one.typed not in along
    )


def shown(who: str, one: AccountFacts) -> Sequence[Told]:
    """What people see of it in a plan."""
    told: list[Told] = [("told.account-login" if one.login else "told.account-no-login", {"role": who})]
    if one.rights:
        told.append(("told.account-may", {"role": who, "words": "; ".join(one.rights), "n": len(one.rights)}))
    if one.words:
        told.append(("told.account-only", {"role": who, "words": ", ".join(one.words), "n": len(one.words)}))
    return told
