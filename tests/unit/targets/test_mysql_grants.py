"""What SHOW GRANTS of a MariaDB server says is read as the server means it."""

import pytest

from bot.targets.mysql_grants import read

LINES = [
    "GRANT `boss` TO `cs`@`%`",
    "GRANT USAGE ON *.* TO `cs`@`%` IDENTIFIED BY PASSWORD '*0 ON `crm`.* TO `cs`'",
    "GRANT PROCESS, BINLOG MONITOR ON *.* TO `boss`",
    "GRANT CREATE TEMPORARY TABLES ON `c\\_m`.* TO PUBLIC",
    "GRANT DELETE ON `any_`.* TO `cs`@`%`",
    "GRANT SELECT (`a`, `) ON ``b`), INSERT, UPDATE (`x`) ON `crm`.`odd``name ON` TO `cs`@`%` WITH GRANT OPTION",
    "GRANT ALL PRIVILEGES ON `crm`.`all` TO `boss`",
    "GRANT EXECUTE ON FUNCTION `crm`.`all` TO `cs`@`%`",
    "GRANT SELECT ON `crm`.`a.b` TO `cs`@`%`",
    "SET DEFAULT ROLE `boss` FOR `cs`@`%`",
]
MAY = [
    ("PROCESS", "", "", True),
    ("SELECT", "", "", False),
    ("CREATE TEMPORARY TABLES", "c_m", "", True),
    ("CREATE TEMPORARY TABLES", "crm", "", False),
    ("DELETE", "anyx", "t", True),
    ("DELETE", "any", "t", False),
    ("DELETE", "ANYX", "t", False),
    ("INSERT", "crm", "odd`name ON", True),
    ("SELECT", "crm", "odd`name ON", False),
    ("UPDATE", "crm", "odd`name ON", False),
    ("DELETE", "crm", "all", True),
    ("SELECT", "crm", "a.b", True),
    ("SELECT", "crm.a", "b", False),
    ("EXECUTE", "crm", "", False),
]


@pytest.mark.parametrize(("right", "schema", "table", "may"), MAY)
def test_a_right_is_what_holds_for_the_whole_of_it(right: str, schema: str, table: str, may: bool) -> None:
    assert read(LINES).may(right, schema, table) is may


def test_where_rights_are_revoked_in_part_a_name_is_no_pattern() -> None:
    lines = ["GRANT SELECT ON *.* TO `cs`@`%`", "REVOKE SELECT ON `crm`.* FROM `cs`@`%`", LINES[4], LINES[3]]
    granted = read(lines, literal=True)
    assert granted.may("DELETE", "any_", "t")
    assert not granted.may("DELETE", "anyx", "t")
    assert not granted.may("CREATE TEMPORARY TABLES", "c_m")
    assert granted.may("SELECT", "crn", "t")
    assert not granted.may("SELECT", "crm", "t")
    assert not granted.everything


def test_who_may_do_everything_is_known() -> None:
    assert not read(LINES).everything
    assert read(["GRANT ALL PRIVILEGES ON *.* TO `root`@`%` WITH GRANT OPTION"]).everything
    assert read(["GRANT DELETE, SELECT ON *.* TO `cs`@`%`"]).everything


#: As MySQL writes it of somebody who may do everything.
_EACH = (
    "SELECT, INSERT, UPDATE, DELETE, CREATE, DROP, RELOAD, PROCESS, FILE, REFERENCES, INDEX, ALTER, SUPER,"
    " CREATE TEMPORARY TABLES, LOCK TABLES, EXECUTE, CREATE VIEW, SHOW VIEW, CREATE ROUTINE, ALTER ROUTINE, EVENT, TRIGGER"
)


def test_a_right_that_mysql_writes_out_is_all_of_it_until_some_is_taken_away() -> None:
    root = [f"GRANT {_EACH} ON *.* TO `root`@`%`", "GRANT CONNECTION_ADMIN,SHOW_ROUTINE ON *.* TO `root`@`%`"]
    assert read(root).may("ALL PRIVILEGES", "crm")
    assert all(read(root).may(right, "") for right in ("CONNECTION_ADMIN", "SHOW_ROUTINE", "PROCESS"))
    assert not read([root[0].replace("TRIGGER", "X")]).may("ALL PRIVILEGES", "crm")
    less = read([*root, "REVOKE DELETE ON `crm`.* FROM `root`@`%`"])
    assert [less.may("ALL PRIVILEGES", name) for name in ("crm", "shop")] == [False, True]
    assert (less.may("SELECT", "crm"), less.may("DELETE", "crm"), less.may("DELETE", "")) == (
        True,
        False,
        False,
    )
    assert (less.everything, less.may("PROCESS", "")) == (False, True)
