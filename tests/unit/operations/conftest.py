"""Databases whose links have policies, on each engine."""

import os
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any
from zlib import crc32

import pytest

from tests.fakes.operations import Bench
from tests.unit.operations.link_bench import ENGINES, SCHEMA, Make

#: What these try is the operation, which sees no engine; MySQL's own code is MariaDB's, tried elsewhere in full.
SAMPLED = ("restore_choices", "bad_input_of_records", "link_policies", "attached_files", "attached_objects")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """On MySQL each third of them, always the same ones; all when asked for (``EVERY_ENGINE=1``)."""
    if os.environ.get("EVERY_ENGINE"):
        return
    left = [
        item
        for item in items
        if item.path.stem.removeprefix("test_") in SAMPLED
        and "mysql" in item.name
        and crc32(item.name.encode()) % 3
    ]
    config.hook.pytest_deselected(items=left)
    items[:] = [item for item in items if item not in left]


@pytest.fixture(params=ENGINES)
def engine(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def make(engine: str, tmp_path: Path) -> Iterator[Make]:
    """A database with the schema above, or another one, on one of the engines."""
    opened: list[AbstractContextManager[Bench]] = []

    def one(schema: str = SCHEMA, **how: Any) -> Bench:
        opened.append(ENGINES[engine](tmp_path, schema, **how))
        return opened[-1].__enter__()

    yield one
    for made in reversed(opened):
        made.__exit__(None, None, None)
