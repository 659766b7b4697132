"""The programs that must agree with us."""

import os
import shutil
from collections.abc import Callable

import pytest


@pytest.fixture
def programs() -> Callable[..., None]:
    """Skip, or fail where CI must have them, when a Debian program is missing."""

    def need(*names: str) -> None:
        missing = [name for name in names if shutil.which(name) is None]
        if missing and not os.environ.get("CI"):
            pytest.skip(f"not installed: {', '.join(missing)}")
        assert not missing

    return need
