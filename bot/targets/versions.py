"""The version of each adapter. It is part of every fingerprint, and so of what people approve.

Raise a number when the adapter would do something else for the same plan: what was approved before is then
planned, and voted on, again.
"""

POSTGRESQL = 1
MARIADB = 1
MYSQL = 1
SQLITE = 1
#: Services, files and whole databases, and the calls of a system's own uninstall.
SYSTEM = 1

#: By the ``kind`` of a target's identity.
OF_RECORDS = {"postgresql": POSTGRESQL, "mariadb": MARIADB, "mysql": MYSQL, "sqlite": SQLITE}
