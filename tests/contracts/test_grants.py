"""The rights that a plan names: enough for the deletion and its way back, each of them asked for alone, on both servers."""

import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from bot.errors import CountersignError
from bot.model.choices import Mode, RestoreChoice
from bot.operations.gate import DeleteOrder, DeleteOutcome
from bot.targets import open_target
from bot.texts import say
from tests.fakes.operations import HASH_KEY, Bench, new_backup_id
from tests.fakes.servers import SERVERS
from tests.unit.operations.link_bench import ENGINES

SCHEMA = """
CREATE TABLE staff (id INTEGER PRIMARY KEY, name VARCHAR(20));
CREATE TABLE customers (id INTEGER PRIMARY KEY, email VARCHAR(40) UNIQUE, keeper INTEGER REFERENCES staff (id), boss INTEGER REFERENCES customers (id));
%s
CREATE TABLE orders (id INTEGER PRIMARY KEY %s, customer INTEGER NOT NULL REFERENCES customers (id) ON DELETE CASCADE);
CREATE TABLE visits (id INTEGER PRIMARY KEY, customer INTEGER REFERENCES customers (id) ON DELETE SET NULL);
CREATE TABLE sites (id INTEGER PRIMARY KEY, customer INTEGER NOT NULL REFERENCES customers (id));
CREATE TABLE audit (id INTEGER PRIMARY KEY, customer INTEGER REFERENCES customers (id));
CREATE TABLE notes (id INTEGER PRIMARY KEY, subject INTEGER);
CREATE TABLE marks (id INTEGER PRIMARY KEY, subject INTEGER);
INSERT INTO staff VALUES (1, 'Uma');
INSERT INTO customers VALUES (1, 'ada@x', 1, NULL), (2, 'bob@x', 1, 1), (3, 'cy@x', NULL, NULL);
INSERT INTO orders VALUES (10, 1), (11, 2), (12, 3);
INSERT INTO visits VALUES (1, 1), (2, 3), (3, NULL);
INSERT INTO sites VALUES (1, 1), (2, 3);
INSERT INTO notes VALUES (1, 1), (2, 3);
INSERT INTO marks VALUES (1, 1), (2, 3);
"""
NUMBERED = {"postgresql": "DEFAULT nextval('numbers')", "mariadb": "DEFAULT nextval(numbers)", "mysql": ""}
HOW: dict[str, Any] = {
    "table": "customers",
    "find_by": ["id", "email"],
    "label": None,
    "soft": [("notes.subject", "customers.id", None), ("marks.subject", "customers.id", None)],
    "policies": {
        "sites.customer -> customers.id": "reassign",
        "audit.customer -> customers.id": "block",
        "marks.subject -> customers.id": "nullify",
    },
}
_NAMING = (
    "operations.missing-rights",
    "operations.unseen-table",
    "operations.unseen-column",
    "operations.unseen-link",
    "restore.table-unseen",
)
_GRANT = re.compile(r"GRANT (.*) ON (.*) TO (.*)")


@dataclass(frozen=True)
class Place:
    """The database as its owner, and as somebody with no right but to log in."""

    kind: str
    owner: Bench
    limited: Bench
    whom: str

    def named(self, act: Any) -> list[str]:
        """The statements that a refusal names; none: it was not refused."""
        try:
            act()
        except CountersignError as refusal:
            assert refusal.key in _NAMING, (refusal.key, refusal.params)
            assert self.whom.partition("@")[0] in say(refusal.key, "en", **refusal.params)
            return (
                str(refusal.params.get("grants", refusal.params.get("grant"))).removesuffix(";").split("; ")
            )
        return []

    def plan(self) -> Any:
        return self.limited.plan("1", heir="3")

    def allow(self) -> list[str]:
        """Run what is named until there is nothing left; in more than one go, as some rights show what others need."""
        found: list[str] = []
        for _ in range(12):
            named = self.named(self.plan)
            if not named:
                return found
            found += named
            for one in named:
                self.owner.sql(one)
        raise AssertionError(found)


@contextmanager
def somebody(kind: str, folder: Path) -> Iterator[Place]:
    name = f"cs_{secrets.token_hex(4)}"
    sequence = "CREATE SEQUENCE numbers;" if NUMBERED[kind] else ""
    with ENGINES[kind](folder, SCHEMA % (sequence, NUMBERED[kind]), **HOW) as owner:
        database = owner.spec.address.rpartition("/")[2]
        if kind == "postgresql":
            owner.sql(f"CREATE ROLE {name} LOGIN; GRANT CONNECT ON DATABASE {database} TO {name}")
            owner.sql(
                f"REVOKE TEMPORARY ON DATABASE {database} FROM PUBLIC; REVOKE USAGE ON SCHEMA public FROM PUBLIC"
            )
            url, whom = owner.spec.address.replace("postgres@", f"{name}@"), f'"{name}"'
        else:
            owner.sql(f"CREATE USER '{name}'@'%' IDENTIFIED BY 'secret'")
            # Without any right on a database nobody may even open it.
            owner.sql(f"GRANT SELECT ON {database}.staff TO '{name}'@'%'")
            where = SERVERS[kind]().partition("@")[2].rpartition("/")[0]
            url, whom = f"mysql://{name}:secret@{where}/{database}", f"'{name}'@'%'"
        limited = replace(owner, target=open_target("crm", url, owner.spec.max_lock))
        try:
            yield Place(kind, owner, limited, whom)
        finally:
            owner.sql(
                f"DROP OWNED BY {name}; DROP ROLE {name}" if kind == "postgresql" else f"DROP USER {whom}"
            )


@pytest.fixture(params=NUMBERED)
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    with somebody(request.param, tmp_path) as made:
        yield made


def singles(grants: list[str], words: tuple[str, ...] = ("",)) -> Iterator[str]:
    """Each right by itself, of those with one of these words."""
    for grant in grants:
        found = _GRANT.fullmatch(grant)
        assert found, grant
        for right in found[1].split(", "):
            one = f"GRANT {right} ON {found[2]} TO {found[3]}"
            if any(word in one for word in words):
                yield one


def taken_away(grant: str) -> str:
    return grant.replace("GRANT", "REVOKE", 1).replace(" TO ", " FROM ")


def deleted(place: Place) -> DeleteOutcome:
    plan, subject = place.plan()
    order = DeleteOrder(plan, subject, place.limited.spec, new_backup_id(), HASH_KEY, 0)
    outcome = place.limited.run(order)
    assert outcome.problem is None
    return outcome


def test_what_is_named_is_enough_for_the_deletion_and_its_way_back(place: Place) -> None:
    whole, granted = place.owner.dump(), place.allow()
    assert not any(word in one for one in granted for word in ("ALL", "GRANT OPTION", "SUPERUSER"))
    gone = deleted(place)
    assert place.limited.restore(gone).problem is None
    assert place.owner.dump() == whole
    # What others have written since goes back, too, once the rights for that are there.
    gone = deleted(place)
    place.limited.restore(gone)
    place.owner.sql("UPDATE customers SET email = 'eve@x' WHERE id = 1")
    over = RestoreChoice(mode=Mode.OVERWRITE)
    for one in place.named(lambda: place.limited.order_restore(gone.backup, over)):
        place.owner.sql(one)
    assert place.limited.choose(gone.backup, over).problem is None
    assert place.owner.dump() == whole


#: Words of the rights that are taken away, one after the other; the others are like one of these.
TAKEN = ("PROCESS", "TEMP", "SCHEMA", "customers", "numbers", "visits")
ON_THE_WAY_BACK = ("TEMP", "INSERT ON", "DELETE ON", "numbers", "visits")


def test_each_right_alone_is_missed_while_planning(place: Place) -> None:
    whole, granted = place.owner.dump(), place.allow()
    unneeded = []
    for grant in singles(granted, TAKEN):
        place.owner.sql(taken_away(grant))
        named = place.named(place.plan)
        if not named:
            unneeded.append(grant)
        else:
            assert grant in singles(named), (grant, named)
        for one in named:
            place.owner.sql(one)
        assert place.named(place.plan) == [], grant
    # Nobody missed these while planning, and nobody misses them later.
    place.limited.restore(deleted(place))
    assert place.owner.dump() == whole
    assert len(unneeded) <= 2, unneeded


def test_each_right_alone_is_missed_while_planning_the_way_back(place: Place) -> None:
    whole, granted, gone = place.owner.dump(), place.allow(), deleted(place)
    for grant in singles(granted, ON_THE_WAY_BACK):
        place.owner.sql(taken_away(grant))
        named = place.named(lambda: place.limited.plan_restore(gone))
        assert named or "DELETE" in grant, grant
        for one in named:
            place.owner.sql(one)
        assert place.named(lambda: place.limited.plan_restore(gone)) == [], grant
    assert place.limited.restore(gone).problem is None
    assert place.owner.dump() == whole


@pytest.mark.parametrize("through", ["a role in a role", "everybody"])
def test_rights_may_come_through_roles(place: Place, through: str) -> None:
    granted, whole = place.allow(), place.owner.dump()
    inner, outer = f"cs_{secrets.token_hex(4)}", f"cs_{secrets.token_hex(4)}"
    public = through == "everybody"
    everybody = outer if place.kind == "mysql" else "PUBLIC"
    for name in (inner, outer):
        place.owner.sql(f"CREATE ROLE {name}")
    try:
        for grant in granted:
            place.owner.sql(taken_away(grant))
            if not (public and "*.*" in grant):
                place.owner.sql(grant.replace(place.whom, everybody if public else inner))
            else:
                place.owner.sql(grant)
        place.owner.sql(f"GRANT {inner} TO {outer}")
        if public and place.kind == "mysql":
            place.owner.sql(f"SET GLOBAL mandatory_roles = '{outer}', activate_all_roles_on_login = ON")
        if not public:
            place.owner.sql(f"GRANT {outer} TO {place.whom}")
            if place.kind != "postgresql":
                # Before it is set, it gives nothing.
                assert place.named(place.plan)
                of = "FOR" if place.kind == "mariadb" else "TO"
                place.owner.sql(f"SET DEFAULT ROLE {outer} {of} {place.whom}")
        assert place.named(place.plan) == []
        assert place.limited.restore(deleted(place)).problem is None
        assert place.owner.dump() == whole
    finally:
        if place.kind == "mysql":
            place.owner.sql("SET GLOBAL mandatory_roles = DEFAULT, activate_all_roles_on_login = DEFAULT")
        for grant in granted if public else ():
            place.owner.sql(
                taken_away(grant).replace(place.whom, everybody if "*.*" not in grant else place.whom)
            )
        for name in (outer, inner):
            place.owner.sql(
                f"DROP OWNED BY {name}; DROP ROLE {name}"
                if place.kind == "postgresql"
                else f"DROP ROLE {name}"
            )
