"""/teardown of a system whose database is a whole one of a server: there and back, and away and back."""

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import psycopg
import pymysql
import pytest

from bot.sandbox.slack.workspace import Message
from tests.stories.engines import ENGINES, Engine
from tests.stories.rig import Rig
from tests.stories.town import ask, thread, town

pytestmark = [
    pytest.mark.slow,
    pytest.mark.parametrize("engine", ENGINES, ids=lambda one: str(one.name)),
]


@contextmanager
def city(tmp_path: Path, engine: Engine, grace: str) -> Iterator[tuple[Rig, Callable[[], str | None], str]]:
    with engine.database() as url:
        engine.furnish(url)
        program = tmp_path / "page.py"
        program.write_text(engine.program.format(url=url))

        def change(text: str) -> str:
            before, _, rest = text.partition("    database: {")
            return f'{before}    database: {{url: "${{CRM_URL}}"}}\n{rest.partition(chr(10))[2]}'

        with town(tmp_path, grace, change=change, program=program, secrets={"CRM_URL": url}) as (rig, page):
            yield rig, page, url


def approved(rig: Rig, number: int, ballot: Message, *who: str) -> None:
    rig.approve(ballot, *who)
    assert rig.wait_state(number, "succeeded", "held", "failed") == "succeeded", thread(rig, ballot)


def test_set_aside_with_everybody_thrown_out_and_put_back(tmp_path: Path, engine: Engine) -> None:
    with city(tmp_path, engine, "1h") as (rig, page, url):
        said, before = page(), engine.answers(url)
        with closing(engine.connect(url)) as idle, idle.cursor() as cursor:
            cursor.execute("SELECT 1")
            ballot = ask(rig)
            plan = thread(rig, ballot)
            for told in (f"{engine.name} cs_test_", "session is open", "2,300", "uploads"):
                assert told in plan
            rig.approve(ballot)
            assert rig.wait_state(1, "set-aside", "failed", "held") == "set-aside", thread(rig, ballot)
            assert page() is None
            assert engine.refuses(url)
            with pytest.raises((psycopg.OperationalError, pymysql.Error)):
                cursor.execute("SELECT 1")
        assert engine.refuses(f"{url}__countersign_t1") is engine.guarded
        rig.command("U0ERIN", "/countersign", "put-back #1")
        assert rig.wait_state(1, "stopped", "held") == "stopped", thread(rig, ballot)
        assert rig.wait(page, "the page is back") == said
        assert engine.answers(url) == before


def test_gone_for_good_then_back_in_its_place_and_then_beside_under_another_name(
    tmp_path: Path, engine: Engine
) -> None:
    with city(tmp_path, engine, "1s") as (rig, page, url):
        said, before = page(), engine.answers(url)
        approved(rig, 1, ask(rig))
        assert page() is None
        assert engine.refuses(url)
        own = url.rpartition("/")[2]
        assert not [name for (name,) in engine.beside(url, engine.listed) if str(name).startswith(own)]
        since = rig.command("U0ERIN", "/restore", "#1 -- we need it after all")
        approved(rig, 2, rig.ballot(since), "U0BOB")
        assert rig.wait(page, "the page is back") == said
        assert engine.answers(url) == before
        again = rig.crm.parent / f"again_{url[-6:]}"
        ballot = rig.ballot(rig.command("U0ERIN", "/restore", f"#1 into {again} -- to compare"))
        assert f"{engine.name} {again.name}" in thread(rig, ballot)
        approved(rig, 3, ballot, "U0BOB")
        try:
            assert engine.answers(url.rpartition("/")[0] + f"/{again.name}") == before
        finally:
            engine.beside(url, engine.drop.format(again.name))
