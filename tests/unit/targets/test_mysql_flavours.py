"""Which server it is that speaks MySQL's language."""

import pytest

from bot.targets.mysql_flavours import MARIADB, MYSQL, Flavour, flavour_of, too_old


@pytest.mark.parametrize(
    ("version", "engine", "flavour"),
    [
        ("10.11.19-MariaDB-0+deb12u1", "10.11.19", MARIADB),
        ("5.5.5-10.6.1-MariaDB", "", MARIADB),
        ("11.8.3-MariaDB-log", "", MARIADB),
        ("9.7.4-2", "9.7.4", MYSQL),
        ("8.0.36-0ubuntu0.22.04.1", "8.0.36", MYSQL),
        ("8.0.35-27.1", "8.0.35-27", MYSQL),
        ("8.4.6-log", "8.4.6", MYSQL),
        # Others that speak the language.
        ("8.0.11-TiDB-v7.5.0", "5.6.25", None),
        ("8.0.30-Vitess", "", None),
        ("5.7.25-OceanBase-v4.2.1.0", "5.7.38", None),
        ("8.0.28-TiDB", "8.0.3", None),
        ("8.0.28-TiDB", "8.0.280", None),
        ("SphinxQL", "", None),
        ("MariaDB", "", None),
        ("", "", None),
    ],
)
def test_a_server_is_known_by_its_version_and_that_of_its_engine(
    version: str, engine: str, flavour: Flavour | None
) -> None:
    assert flavour_of(version, engine) is flavour


@pytest.mark.parametrize(
    ("flavour", "version", "said"),
    [
        (MARIADB, "10.4.34-MariaDB", "10.4.34"),
        (MARIADB, "10.5.0-MariaDB", ""),
        (MYSQL, "8.0.29", "8.0.29"),
        (MYSQL, "8.0.30-log", ""),
        (MYSQL, "5.7.44-log", "5.7.44"),
        (MYSQL, "?", "0.0.0"),
    ],
)
def test_an_old_server_is_named_with_its_version(flavour: Flavour, version: str, said: str) -> None:
    assert too_old(flavour, version) == said


def test_a_query_is_bounded_in_the_words_of_its_server() -> None:
    assert MARIADB.bounded("SELECT 1", 0.5) == "SET STATEMENT max_statement_time = 0.500 FOR SELECT 1"
    assert MYSQL.bounded("SELECT 1", 0.5) == "SELECT /*+ MAX_EXECUTION_TIME(500) */ 1"
    assert "= 0.010 " in MARIADB.bounded("SELECT 1", 0), "0 would be no limit"
    assert "(10)" in MYSQL.bounded("SELECT 1", 0), "0 would be no limit"
