"""Which users and roles of a server are a database's own: they have to do with it and nothing else.

An account is ``user@host``, a role of MariaDB ``name@``. Rights on a database that is gone stay in the
server, so that whom they belong to is still told after the removal.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from bot.errors import CountersignError
from bot.model.remains import Remain
from bot.targets.mysql_account_facts import PROXIES, Who, facts, here, others, outside
from bot.targets.mysql_admin import Administration, Server
from bot.targets.mysql_grants import read

_RIGHTS = """
SELECT User, Host, Db FROM mysql.db UNION SELECT User, Host, Db FROM mysql.tables_priv
UNION SELECT User, Host, Db FROM mysql.columns_priv UNION SELECT User, Host, Db FROM mysql.procs_priv
"""


@dataclass(frozen=True)
class Accounts:
    """The accounts of a server.

    ``reach``: in what databases each has a right, or something that runs in its name; ``*`` is all of them.
    ``roles``: which each has.
    """

    reach: Mapping[str, frozenset[str]]
    roles: Mapping[str, frozenset[str]]

    @property
    def places(self) -> frozenset[str]:
        """Every database that somebody has to do with."""
        return frozenset().union(*self.reach.values())

    def own(self, here: frozenset[str], wanted: Iterable[str]) -> frozenset[str]:
        """Whoever has to do with one database and nothing else, and those ``wanted`` who have with nothing.

        ``here``: how the database is spelled in rights. Pure.
        """
        named = set(wanted)
        found = {
            one
            for one, reach in self.reach.items()
            if (reach or one in named)
            and not one.startswith("@")
            and reach <= here
            and all(self.reach.get(role, frozenset("*")) <= here for role in self._all_roles(one))
        }
        while lent := {one for one in found if self._holders(one) - found}:
            found -= lent
        return frozenset(found)

    def _all_roles(self, account: str) -> set[str]:
        found: set[str] = set()
        waiting = [account]
        while waiting:
            new = self.roles.get(waiting.pop(), frozenset()) - found
            found |= new
            waiting += new
        return found

    def _holders(self, role: str) -> set[str]:
        """Whoever loses something with it. Who may do everything has it only because he made it."""
        return {
            one for one, roles in self.roles.items() if role in roles and "*" not in self.reach.get(one, "")
        }


class ServerAccounts:
    """The users and roles of one database.

    Args:
        target: of which system, for sentences.
        url: the database's address.
        names: of users, whatever their host, and of roles that may be the system's although they have nothing
            to do with the database any more.
        clear: a request may clear them away, where all of one can be brought back.
    """

    def __init__(self, target: str, url: str, names: Sequence[str], *, clear: bool = False) -> None:
        self._target, self._url, self._names, self._clear = target, url, tuple(names), clear

    def __call__(self, known: Sequence[str]) -> tuple[Sequence[Remain], str]:
        """Those, of the ones ``known`` before too, and why they cannot be told; never raises."""
        try:
            admin = Administration(self._target, self._url)
            with admin.connected() as server:
                granted = read(str(line) for (line,) in server.ask("SHOW GRANTS"))
                if not granted.may("SELECT", "mysql"):
                    return (), "no-right"
                accounts = _accounts(server)
                wanted = {one for one in accounts.reach if self._is_named(one) or _typed(one) in known}
                meant = here(server, admin.database, accounts.places)
                found = sorted(accounts.own(meant, wanted) - _never(server))
                # Without these, views and triggers elsewhere are hidden that may run in somebody's name.
                sees = all(granted.may(right, "") for right in server.kind.sees)
                hands = self._hands(server, admin.database, found)
        except CountersignError:
            return (), "no-answer"
        told = [Remain("role", _typed(one), 1, hands[one]) for one in found]
        return told, "" if sees or not found else "definers"

    def _hands(self, server: Server, database: str, found: Sequence[str]) -> Mapping[str, str]:
        """Why each is cleared away by hand; empty: a request can."""
        hands = {one: "mariadb-role" if one.endswith("@") else "account" for one in found}
        if not self._clear:
            return hands
        users = {one: Who.of(_typed(one)) for one, hand in hands.items() if hand == "account"}
        for one, who in users.items():
            about, more = facts(server, who), outside(server, database, who)
            why = more[0][0] if more else "" if about is not None and about.kept else "unkept"
            hands[one] = f"account.{why}" if why else ""
        # Of several under one name all go, or none.
        going = {who.typed for one, who in users.items() if not hands[one]}
        hands |= {
            one: "account.twin" for one, who in users.items() if not hands[one] and others(server, who, going)
        }
        return hands

    def _is_named(self, account: str) -> bool:
        return account in self._names or account.rpartition("@")[0] in self._names


def _accounts(server: Server) -> Accounts:
    reach: dict[str, set[str]] = {}
    for user, host, access in server.ask(server.kind.accounts):
        reach[f"{user}@{host}"] = {"*"} if access != "0" else set()
    for user, host, database in server.ask(_RIGHTS):
        reach.setdefault(f"{user}@{host}", set()).add(database)
    for definer, database in server.ask(server.kind.runs):
        reach.setdefault(_whole(definer), set()).add(database)
    for row in server.ask(PROXIES):
        for user, host in (row[:2], row[2:]):
            reach.setdefault(f"{user}@{host}", set()).add("*")
    roles: defaultdict[str, set[str]] = defaultdict(set)
    for user, host, role in server.ask(server.kind.roles):
        roles[f"{user}@{host}"].add(role)
    return Accounts(_frozen(reach), _frozen(roles))


def _frozen(of: Mapping[str, set[str]]) -> dict[str, frozenset[str]]:
    return {one: frozenset(found) for one, found in of.items()}


def _whole(definer: str) -> str:
    return definer if "@" in definer else f"{definer}@"


def _never(server: Server) -> frozenset[str]:
    """We ourselves, and everybody."""
    return frozenset(one for query in server.kind.us for (one,) in server.ask(query))


def _typed(account: str) -> str:
    user, _, host = account.rpartition("@")
    return Who(user, host).typed
