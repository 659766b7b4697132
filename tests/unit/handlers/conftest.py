from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.handlers.doorway import Doorway, opened


@pytest.fixture
def doorway(tmp_path: Path) -> Iterator[Doorway]:
    with opened(tmp_path) as found:
        yield found
