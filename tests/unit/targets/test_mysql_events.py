"""Events, which the server runs by itself while no service and no session is left."""

import secrets
import time
from collections.abc import Iterator

import pytest

from bot.errors import CannotProve
from bot.texts import say
from tests.fakes.mysql_places import Place, a_place
from tests.fakes.servers import SERVERS

OP = "t7"
EVENT = "CREATE EVENT tick ON SCHEDULE EVERY 1 SECOND{more} DO INSERT INTO t (x) VALUES ('tick')"


@pytest.fixture(params=SERVERS)
def place(request: pytest.FixtureRequest) -> Iterator[Place]:
    schema = "CREATE TABLE t (id int PRIMARY KEY AUTO_INCREMENT, x text)"
    with a_place(f"cs_test_{secrets.token_hex(6)}", schema, request.param) as made:
        was = made.run("SELECT @@global.event_scheduler")[0][0]
        try:
            yield made
        finally:
            made.run(f"SET GLOBAL event_scheduler = {was}", at="mysql")


def told(place: Place) -> dict[str, object]:
    return {key: params.get("name") for key, params in place.one.survey().warnings}


@pytest.mark.parametrize(
    ("more", "scheduler", "named"),
    [("", "ON", True), (" DISABLE COMMENT 'ON COMPLETION PRESERVE ENABLE'", "ON", False), ("", "OFF", False)],
)
def test_an_event_that_runs_is_told_before_and_one_that_does_not_is_not(
    place: Place, more: str, scheduler: str, named: bool
) -> None:
    place.run(EVENT.format(more=more), f"SET GLOBAL event_scheduler = {scheduler}")
    assert ("told.events-run" in told(place)) is named
    backup = place.copied()
    place.run("INSERT INTO t (x) VALUES ('somebody')")
    with pytest.raises(CannotProve) as caught:
        place.one.set_aside(OP, backup)
    assert caught.value.key == ("whole.events-wrote" if named else "files.changed-since")
    assert ("tick" in say(caught.value.key, **caught.value.params)) is named
    place.one.put_back(OP)


def test_an_event_that_writes_keeps_the_database_and_switched_off_it_goes_and_comes_back(
    place: Place,
) -> None:
    place.run(EVENT.format(more=""), "SET GLOBAL event_scheduler = ON")
    backup, rows = place.copied(), place.run("SELECT count(*) FROM t")
    deadline = time.monotonic() + 60
    while place.run("SELECT count(*) FROM t") == rows and time.monotonic() < deadline:
        time.sleep(0.05)
    with pytest.raises(CannotProve, match="events-wrote"):
        place.one.set_aside(OP, backup)
    place.one.put_back(OP)
    place.run("ALTER EVENT tick DISABLE")
    backup = place.copied()
    place.one.set_aside(OP, backup)
    place.one.put_back(OP)
    assert place.run("SELECT STATUS FROM information_schema.EVENTS WHERE EVENT_SCHEMA = DATABASE()") == [
        ("DISABLED",)
    ]
