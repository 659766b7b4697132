"""Three lines of configuration delete and restore a customer of a schema that was never described, through Slack."""

import re
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from pathlib import Path

import pytest

from bot.sandbox.slack.responses import shown_text
from tests.fakes.operations import Bench, bench_on, make_bench, postgresql_bench
from tests.real.loop import content, counts
from tests.stories.rig import Rig

pytestmark = pytest.mark.slow

# Composite keys, a circle, a tree, a unique key as parent, one that may be empty, what is emptied, names that need quotes.
UNSEEN = """
CREATE TABLE "Firm" ("No" INTEGER PRIMARY KEY, "E-Mail" VARCHAR(60) NOT NULL UNIQUE, "Full Name" VARCHAR(60), main_site INTEGER);
CREATE TABLE site (firm INTEGER NOT NULL REFERENCES "Firm" ("No"), nr INTEGER NOT NULL, city VARCHAR(40), PRIMARY KEY (firm, nr));
CREATE TABLE "order" (id INTEGER PRIMARY KEY, firm INTEGER NOT NULL, site INTEGER NOT NULL, total NUMERIC(9, 2),
    FOREIGN KEY (firm, site) REFERENCES site (firm, nr) ON DELETE RESTRICT);
CREATE TABLE line (order_id INTEGER NOT NULL REFERENCES "order" ON DELETE CASCADE, pos INTEGER NOT NULL, text VARCHAR(40),
    replaces_order INTEGER, replaces_pos INTEGER, PRIMARY KEY (order_id, pos),
    FOREIGN KEY (replaces_order, replaces_pos) REFERENCES line (order_id, pos));
CREATE TABLE mailing (address VARCHAR(60) REFERENCES "Firm" ("E-Mail") ON DELETE CASCADE, topic VARCHAR(20) NOT NULL);
CREATE UNIQUE INDEX mailing_once ON mailing (address, topic);
CREATE TABLE visit (id INTEGER PRIMARY KEY, firm INTEGER REFERENCES "Firm" ON DELETE SET NULL, note VARCHAR(60));
INSERT INTO "Firm" VALUES (1, 'a@one.example', 'One & Sons', 11), (2, 'b@two.example', 'Two <!channel>', NULL), (3, 'c@three.example', NULL, 31);
INSERT INTO site VALUES (1, 11, 'Rome'), (1, 12, 'Oslo'), (2, 11, 'Bern'), (3, 31, NULL);
INSERT INTO "order" VALUES (100, 1, 11, 9.50), (101, 1, 12, 0), (102, 2, 11, 3.25);
INSERT INTO line VALUES (100, 1, 'x', NULL, NULL), (100, 2, 'y', 100, 1), (101, 1, '', 100, 2), (102, 1, 'z', NULL, NULL);
INSERT INTO mailing VALUES ('a@one.example', 'news'), ('b@two.example', 'news'), (NULL, 'news'), (NULL, 'news');
INSERT INTO visit VALUES (1, 1, 'said hello'), (2, 2, NULL), (3, NULL, 'x');
"""
RECORDS = """\
    records:
      customer:
        table: Firm
        find_by: [E-Mail]
        label: "{Full Name}"
rules:
"""
GONE = {"Firm": 1, "site": 2, "order": 2, "line": 3, "mailing": 1, "visit": 0}


@contextmanager
def _sqlite(folder: Path) -> Iterator[Bench]:
    yield make_bench(folder, UNSEEN)


def _postgresql(folder: Path) -> AbstractContextManager[Bench]:
    return postgresql_bench(folder, UNSEEN)


def _mysql(server: str, folder: Path) -> AbstractContextManager[Bench]:
    """The same schema; these servers write names and references in their own way."""
    script = UNSEEN.replace('"', "`").replace("REFERENCES `order` ON", "REFERENCES `order` (id) ON")
    return bench_on(
        server, folder, script.replace("REFERENCES `Firm` ON", "REFERENCES `Firm` (`No`) ON").strip()
    )


ENGINES: dict[str, Callable[[Path], AbstractContextManager[Bench]]] = {
    "sqlite": _sqlite,
    "postgresql": _postgresql,
    "mariadb": partial(_mysql, "mariadb"),
    "mysql": partial(_mysql, "mysql"),
}


def _three_lines(text: str) -> str:
    return re.sub(r"    records:\n.*?rules:\n", lambda _: RECORDS, text, flags=re.DOTALL)


@pytest.mark.parametrize("engine", ENGINES)
def test_a_customer_goes_with_everything_and_comes_back(tmp_path: Path, engine: str) -> None:
    (tmp_path / "unseen").mkdir()
    with ENGINES[engine](tmp_path / "unseen") as bench:
        url = bench.spec.address
        rig = Rig(tmp_path, _three_lines)
        rig.secrets["CRM_DATABASE_URL"] = url
        before, rows = content(url), counts(url)
        with rig:
            since = rig.command("U0ALICE", "/delete-records", "crm customer a@one.example -- GDPR 4711")
            ballot = rig.ballot(since)
            assert "One &amp; Sons" in shown_text(rig.card(ballot))
            rig.approve(ballot)
            assert rig.wait_state(1, "succeeded", "failed", "held", "refused") == "succeeded"
            assert {name: rows[name] - now for name, now in counts(url).items()} == GONE
            since = rig.command("U0ERIN", "/restore", "#1 -- the wrong one")
            rig.approve(rig.ballot(since), "U0DAN")
            assert rig.wait_state(2, "succeeded", "failed", "held", "refused") == "succeeded"
        assert content(url) == before
