"""A system goes only while what replaces it answers: before it stops, and again before it is removed."""

import socket
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from tests.stories.rig import PATIENCE
from tests.stories.town import ask, thread, town

pytestmark = pytest.mark.slow

NEW = """  crm-new:
    database: {{url: "sqlite:///{folder}/new.db"}}
    checks:
      - {{name: page, port: "127.0.0.1:{port}"}}
      - {{name: customers, sql: "SELECT count(*) > 0 FROM customers"}}
rules:
"""


def test_the_old_one_waits_for_the_new_one(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "new.db")) as new, new:
        new.execute("CREATE TABLE customers (id integer)")
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        port = held.getsockname()[1]

        def change(text: str) -> str:
            text = text.replace("    tell: [", "    replaced_by: crm-new\n    tell: [", 1)
            return text.replace("rules:\n", NEW.format(folder=tmp_path, port=port), 1)

        with town(tmp_path, grace="3s", change=change) as (rig, page):
            before = page()
            ballot = ask(rig)
            plan = thread(rig, ballot)
            for told in ("Must answer in its place", "crm-new: page", "nothing is stopped"):
                assert told in plan
            rig.approve(ballot)
            assert rig.wait_state(1, "failed", "held", "set-aside") == "failed", thread(rig, ballot)
            rig.slack.wait_for(
                lambda: "not answer: crm-new: page, crm-new: customers" in thread(rig, ballot), 30
            )
            assert rig.wait(page, "it runs as before") == before

            held.listen()
            with closing(sqlite3.connect(tmp_path / "new.db")) as new, new:
                new.execute("INSERT INTO customers VALUES (1)")
            ballot = ask(rig)
            rig.approve(ballot)
            assert rig.wait_state(2, "set-aside", "failed", "held") == "set-aside", thread(rig, ballot)
            with closing(sqlite3.connect(tmp_path / "new.db")) as new, new:
                new.execute("DELETE FROM customers")
            rig.slack.wait_for(lambda: "the removal did not begin" in thread(rig, ballot), PATIENCE)
            # The card is another message than the sentence, and may come later.
            rig.slack.wait_for(lambda: "does not answer: crm-new: customers" in thread(rig, ballot), PATIENCE)
            rig.command("U0ERIN", "/countersign", "put-back 2")
            assert rig.wait_state(2, "stopped", "held") == "stopped", thread(rig, ballot)
            assert rig.wait(page, "the page is back") == before
