"""Real applications' schemas, configured by ``check --suggest`` alone: delete, and bring back to the byte."""

from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from tests.fakes.servers import SERVERS
from tests.real.loop import Tried, content, looked, try_all
from tests.real.quick import raising

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("quick-systems")]

FILES = {"postgresql": "postgres", "mariadb": "mysql", "mysql": "mysql", "sqlite": "sqlite"}


@pytest.fixture(scope="session")
def webmail(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return raising.unpacked("roundcube-core", tmp_path_factory.mktemp("webmail")) / "roundcube" / "SQL"


@pytest.fixture(params=FILES)
def roundcube(request: pytest.FixtureRequest, webmail: Path, tmp_path: Path) -> Iterator[str]:
    scripts = webmail / f"{FILES[request.param]}.initial.sql", raising.seed("roundcube")
    raised: AbstractContextManager[str]
    match request.param:
        case "postgresql":
            raised = raising.on_postgresql(*scripts)
        case "mariadb" | "mysql":
            raised = raising.on_mysql(SERVERS[request.param](), *scripts)
        case _:
            raised = raising.on_sqlite(tmp_path, *scripts)
    with raised as url:
        yield url


@pytest.fixture
def zabbix(tmp_path: Path) -> Iterator[str]:
    """With its own templates, some 130,000 rows in 173 tables."""
    files = raising.unpacked("zabbix-server-pgsql", tmp_path) / "zabbix-server-pgsql"
    with raising.on_postgresql(*(files / f"{name}.sql.gz" for name in ("schema", "images", "data"))) as url:
        yield url


def tried(url: str, folder: Path, most: int, *kinds: str) -> dict[str, Tried]:
    """What came of these kinds of records, each tried on so many."""
    _, spec, target, _ = looked(url, folder)
    chosen = {name: spec.records[name] for name in kinds}
    spec = spec.model_copy(update={"records": chosen})
    return {one.record: one for one in try_all(spec, target, url, most)}


def test_roundcube_loses_a_user_with_everything_and_gets_it_back_to_the_byte(
    roundcube: str, tmp_path: Path
) -> None:
    before = content(roundcube)
    user = tried(roundcube, tmp_path, 3, "user")["user"]
    assert (user.tried, user.same) == (3, 3), user
    # Ada alone has rows in thirteen tables around her own.
    assert (user.rows, user.tables) == (18, 14)
    assert not user.refused
    assert content(roundcube) == before


def test_zabbix_loses_a_host_and_gets_it_back_to_the_byte(zabbix: str, tmp_path: Path) -> None:
    host = tried(zabbix, tmp_path, 1, "host")["host"]
    assert (host.tried, host.same, host.wrong) == (1, 1, []), host
    assert host.rows > 50
