"""The units of systemd in ``deploy``: what they may do is what the documentation says, and systemd reads them."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
UNITS = sorted((ROOT / "deploy").glob("*.service"))
FILES = ROOT / "deploy" / "countersign-worker-files.service"
INSTALL = (ROOT / "docs" / "install.md").read_text(encoding="utf-8")


def settings(unit: Path) -> dict[str, str]:
    """What a unit says; a key that is said twice is an error here."""
    lines = [line for line in unit.read_text(encoding="utf-8").splitlines() if re.match(r"\w+=", line)]
    pairs = [line.split("=", 1) for line in lines]
    assert len({key for key, _ in pairs}) == len(pairs)
    return {one[0]: one[1] for one in pairs}


def capabilities(unit: Path) -> list[str]:
    return settings(unit)["CapabilityBoundingSet"].split()


def test_the_worker_for_files_may_do_what_is_documented_and_nothing_else() -> None:
    documented = re.findall(r"^\| `(CAP_\w+)` \|", INSTALL, re.MULTILINE)
    reasons = re.findall(r"^# (CAP_\w+): \w", FILES.read_text(encoding="utf-8"), re.MULTILINE)
    said = settings(FILES)
    assert capabilities(FILES) == documented == reasons
    assert said["AmbientCapabilities"] == said["CapabilityBoundingSet"]


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: str(unit.name))
def test_nobody_else_may_do_anything_and_nobody_gains_more(unit: Path) -> None:
    said = settings(unit)
    assert said["NoNewPrivileges"] == "yes"
    assert said["User"] == ("countersign-bot" if "bot" in unit.name else "countersign-worker")
    if unit != FILES:
        assert said["CapabilityBoundingSet"] == ""
        assert "AmbientCapabilities" not in said
    part = "bot" if "bot" in unit.name else "worker"
    assert said["ExecStart"].endswith(f"serve --only {part}")
    assert said["EnvironmentFile"] == f"/etc/countersign/{part}.env"
    assert unit.name in INSTALL


def test_the_worker_for_files_is_hidden_nothing_it_must_look_at() -> None:
    hides = {"ProtectSystem", "ProtectHome", "PrivateTmp", "ProtectProc", "PrivateDevices", "PrivateUsers"}
    hides |= {
        "RestrictSUIDSGID",
        "ReadOnlyPaths",
        "InaccessiblePaths",
        "TemporaryFileSystem",
        "RootDirectory",
    }
    assert not hides & settings(FILES).keys()
    assert settings(FILES)["KillMode"] == "process"


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: str(unit.name))
def test_systemd_understands_every_line(tmp_path: Path, unit: Path) -> None:
    program = shutil.which("systemd-analyze")
    if program is None:
        pytest.skip("systemd-analyze is not installed here")
    text = unit.read_text(encoding="utf-8").replace("/usr/local/bin/countersign", sys.executable)
    (tmp_path / unit.name).write_text(text)
    done = subprocess.run(
        [program, "verify", tmp_path / unit.name], capture_output=True, text=True, check=False, timeout=60
    )
    said = [line for line in done.stderr.splitlines() if unit.name in line]
    assert (done.returncode, said) == (0, []), done.stderr
