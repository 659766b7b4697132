"""Databases whose links have policies, on each engine."""

from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.operations import Bench
from tests.unit.operations.link_bench import ENGINES, SCHEMA, Make


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
