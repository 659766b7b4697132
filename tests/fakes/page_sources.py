"""The sources of the page with what they need beside them."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

PAGE = Path(__file__).resolve().parents[2] / "bot" / "sandbox" / "page"


@pytest.fixture(scope="session")
def page_sources(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy in which ``node build.mjs`` works; skipped only where there is no npm and nobody insists."""
    if shutil.which("npm") is None and not os.environ.get("CI"):
        pytest.skip("npm is not here")
    copy = tmp_path_factory.mktemp("page") / "page"
    shutil.copytree(PAGE, copy, ignore=shutil.ignore_patterns("static", "__pycache__"))
    if not _is_installed(copy):
        subprocess.run(["npm", "ci", "--no-audit", "--no-fund"], cwd=copy, check=True, capture_output=True)
    return copy


def _is_installed(folder: Path) -> bool:
    """Whether what the lock asks for lies there already, as after `make page`."""
    have = folder / "node_modules" / ".package-lock.json"
    wanted = json.loads((folder / "package-lock.json").read_text(encoding="utf-8"))["packages"]
    installed = json.loads(have.read_text(encoding="utf-8"))["packages"] if have.is_file() else {}
    return all(
        installed.get(name, {}).get("version") == one["version"]
        for name, one in wanted.items()
        if name and not one.get("optional")
    )
