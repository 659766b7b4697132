"""What whole databases are asked on each server: only what that version has."""

import pytest

from bot.targets.mysql_flavours import MARIADB, MYSQL, Flavour
from bot.targets.mysql_kinds import MARIADB as ON_MARIADB
from bot.targets.mysql_kinds import MYSQL as ON_MYSQL
from bot.targets.mysql_kinds import Kind, kind_of


@pytest.mark.parametrize(
    ("flavour", "version", "kind", "libraries"),
    [
        (MARIADB, "10.11.19-MariaDB-deb12", ON_MARIADB, False),
        (MARIADB, "5.5.5-11.8.2-MariaDB", ON_MARIADB, False),
        (MYSQL, "8.4.5", ON_MYSQL, False),
        (MYSQL, "9.1.0", ON_MYSQL, False),
        (MYSQL, "9.2.0", ON_MYSQL, True),
        (MYSQL, "9.7.4-2", ON_MYSQL, True),
    ],
)
def test_code_in_other_languages_is_looked_for_where_there_may_be_some(
    flavour: Flavour, version: str, kind: Kind, libraries: bool
) -> None:
    found = kind_of(flavour, version)
    assert (found.flavour, found.oldest) == (kind.flavour, kind.oldest)
    assert any("LIBRARIES" in query for query in found.unwritable) is libraries


def test_a_backup_is_loaded_by_hand_under_what_it_was_made_under() -> None:
    for kind in (ON_MARIADB, ON_MYSQL):
        assert set(kind.loading) <= set(kind.pinned)
        assert kind.place_of("crm") == f"{kind.flavour.title} crm"
