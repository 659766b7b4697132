"""How many rows a transaction has written, as its server counts them, and whether it is still the same one.

Only differences of the count mean something: work tables are in it.
"""

import secrets
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pymysql

from bot.errors import TargetDown
from bot.targets.mysql_flavours import MARIADB, MYSQL, Flavour
from bot.targets.mysql_grants import read

#: Runs a query; the answers come as texts.
Ask = Callable[[str], Sequence[Sequence[Any]]]

# What statements and triggers of this session have written through the handler; work tables of the server's
# own making are counted elsewhere.
_HANDLED = """
SELECT SUM(VARIABLE_VALUE) FROM information_schema.SESSION_STATUS
 WHERE VARIABLE_NAME IN ('HANDLER_WRITE', 'HANDLER_UPDATE', 'HANDLER_DELETE')
"""
# The server keeps this list for a tenth of a second: an answer is new when it has this very query in it.
_MODIFIED = """
 trx_rows_modified, trx_query FROM information_schema.INNODB_TRX WHERE trx_mysql_thread_id = CONNECTION_ID()
"""
_KEPT = 0.1
#: Somebody else may look too: then we wait longer and longer, by chance.
_ATTEMPTS = 12
_LONGEST_WAIT = 10
# Statements of triggers are among them.
_SENT = (
    "SHOW SESSION STATUS WHERE Variable_name IN ('Com_insert', 'Com_insert_select', 'Com_update',"
    " 'Com_update_multi', 'Com_delete', 'Com_delete_multi', 'Com_replace', 'Com_replace_select', 'Com_load')"
)
_NOT_COUNTED = """
SELECT COUNT(*) FROM information_schema.TABLES
 WHERE TABLE_TYPE = 'BASE TABLE' AND COALESCE(ENGINE, '-') <> 'InnoDB'
   AND TABLE_SCHEMA NOT IN ('information_schema', 'mysql', 'performance_schema', 'sys')
"""
_NO_SAVEPOINT = 1305
#: The list cannot be read while anybody runs a statement with a sign beyond three bytes, such as an emoji.
UNREADABLE = 3854


class Ledger(ABC):
    """The books of one transaction; ``begin`` is called when it has begun."""

    def __init__(self, ask: Ask, target: str) -> None:
        self._ask = ask
        self._target = target

    @abstractmethod
    def begin(self) -> None:
        """A transaction has begun."""

    @abstractmethod
    def same(self) -> bool:
        """Whether it is still that transaction: no statement has ended it."""

    @abstractmethod
    def written(self, statements: int) -> int:
        """Rows that it has written; ``statements``: how many of ours have written any."""


class LedgerOfMariadb(Ledger):
    """Counts of the session's handler."""

    def begin(self) -> None:
        """See ``Ledger``: the server tells whether a transaction is open."""

    def same(self) -> bool:
        """See ``Ledger``."""
        return str(self._ask("SELECT @@in_transaction")[0][0]) == "1"

    def written(self, statements: int) -> int:  # noqa: ARG002 - the handler counts triggers too
        """See ``Ledger``."""
        return int(self._ask(_HANDLED)[0][0])


class LedgerOfMysql(Ledger):
    """Counts of the engine, for the server's own work tables are among those of the handler.

    They have what a trigger or a foreign key does, but nothing of tables of other engines: there, every
    statement that a trigger has run counts as a row.
    """

    def __init__(self, ask: Ask, target: str) -> None:
        super().__init__(ask, target)
        self._before = 0
        self._elsewhere: bool | None = None

    def begin(self) -> None:
        """See ``Ledger``."""
        self._ask("SAVEPOINT countersign")
        self._before = self._sent()

    def same(self) -> bool:
        """See ``Ledger``."""
        try:
            self._ask("RELEASE SAVEPOINT countersign")
        except pymysql.Error as error:
            if error.args[0] != _NO_SAVEPOINT:
                raise
            return False
        self._ask("SAVEPOINT countersign")
        return True

    def written(self, statements: int) -> int:
        """See ``Ledger``.

        Raises:
            TargetDown: somebody else looks at the list all the time, so that it never gets new.
        """
        others = abs(self._sent() - self._before - statements)
        return self._modified() + (others if others and self._uncounted() else 0)

    def _modified(self) -> int:
        # One after the other among us: whoever looks keeps it old for all others.
        self._ask("SELECT GET_LOCK('countersign counts', 2)")
        try:
            return self._fresh()
        finally:
            self._ask("DO RELEASE_LOCK('countersign counts')")

    def _fresh(self) -> int:
        for attempt in range(1, _ATTEMPTS + 1):
            mark = f"SELECT /* {secrets.token_hex(8)} */"
            for modified, query in self._looked(mark + _MODIFIED):
                if str(query or "").startswith(mark):
                    return int(modified)
            time.sleep(_KEPT * (1 + secrets.randbelow(100 * min(attempt, _LONGEST_WAIT)) / 100))
        raise TargetDown("target.not-counted", target=self._target)

    def _looked(self, query: str) -> Sequence[Sequence[Any]]:
        try:
            return self._ask(query)
        except pymysql.Error as error:
            if error.args[0] != UNREADABLE:
                raise
            return ()

    def _sent(self) -> int:
        return sum(int(count) for _, count in self._ask(_SENT))

    def _uncounted(self) -> bool:
        """Whether there may be tables that the engine does not count: what we may not see, may be there."""
        if self._elsewhere is None:
            everything = read(str(line) for (line,) in self._ask("SHOW GRANTS")).everything
            self._elsewhere = not everything or int(self._ask(_NOT_COUNTED)[0][0]) > 0
        return self._elsewhere


_KINDS: Mapping[str, Callable[[Ask, str], Ledger]] = {
    MARIADB.kind: LedgerOfMariadb,
    MYSQL.kind: LedgerOfMysql,
}


def ledger_of(flavour: Flavour, ask: Ask, target: str) -> Ledger:
    """The books that this kind of server keeps."""
    return _KINDS[flavour.kind](ask, target)
