"""``countersign check`` looks at the places of attachments: there, in reach, ours to read and to change."""

from pathlib import Path
from typing import Any

import pytest

from bot.cli.probes import Item, Level, of_target
from tests.fakes.buckets import KEY_ID, SECRET, Pail, endpoint, faults
from tests.fakes.operations import make_bench
from tests.unit.operations.test_attached_files import SCHEMA


def said(folder: Path, place: dict[str, Any], column: str = "documents.path") -> list[Item]:
    bench = make_bench(folder, SCHEMA, attachments=[{"column": column, **place}])
    return list(of_target("crm", bench.spec))


def texts(items: list[Item], level: Level) -> str:
    return "\n".join(one.text for one in items if one.level is level)


@pytest.fixture
def pail() -> Pail:
    return Pail("crm/")


@pytest.fixture
def place(pail: Pail) -> dict[str, Any]:
    address = {"bucket": pail.name, "prefix": "crm/", "endpoint": endpoint()}
    return {"object": {**address, "key_id": KEY_ID, "secret": SECRET}}


def test_a_bucket_in_which_everything_can_be_done(tmp_path: Path, pail: Pail, place: dict[str, Any]) -> None:
    items = said(tmp_path, place)
    assert texts(items, Level.ERROR) == ""
    assert f"s3://{pail.name}/crm/" in texts(items, Level.OK)
    assert pail.contents() == {}


def test_a_folder_that_is_there_and_one_that_is_not(tmp_path: Path) -> None:
    (tmp_path / "uploads").mkdir()
    (tmp_path / "a").mkdir()
    assert str(tmp_path / "uploads") in texts(
        said(tmp_path / "a", {"file": str(tmp_path / "uploads")}), Level.OK
    )
    (tmp_path / "b").mkdir()
    assert str(tmp_path / "none") in texts(
        said(tmp_path / "b", {"file": str(tmp_path / "none")}), Level.ERROR
    )


NO: dict[str, tuple[dict[str, Any], str]] = {
    "no right to write": (
        {"method": "PUT", "status": 403, "code": "AccessDenied"},
        "does not let the worker",
    ),
    "no right to remove": (
        {"method": "DELETE", "status": 403, "code": "AccessDenied"},
        "does not let the worker",
    ),
    "no right to list": (
        {"method": "GET", "contains": "list-type", "status": 403, "code": "AccessDenied"},
        "does not let the worker",
    ),
    "no bucket": ({"method": "*", "status": 404, "code": "NoSuchBucket"}, "no bucket behind"),
}


@pytest.mark.parametrize(("rule", "sentence"), NO.values(), ids=NO)
def test_what_the_store_forbids_is_an_error(
    tmp_path: Path, place: dict[str, Any], rule: dict[str, Any], sentence: str
) -> None:
    with faults(rule):
        items = said(tmp_path, place)
    assert sentence in texts(items, Level.ERROR)
    assert "s3://" not in texts(items, Level.OK)


def test_a_store_that_minds_no_conditions_is_a_warning(tmp_path: Path, place: dict[str, Any]) -> None:
    with faults({"method": "*", "deaf": True}):
        items = said(tmp_path, place)
    assert "does not mind on what condition" in texts(items, Level.WARNING)


def test_a_column_that_is_not_there_is_an_error(tmp_path: Path, place: dict[str, Any]) -> None:
    assert "documents.none" in texts(said(tmp_path, place, "documents.none"), Level.ERROR)
    (tmp_path / "2").mkdir()
    assert "nothing.path" in texts(said(tmp_path / "2", place, "nothing.path"), Level.ERROR)
