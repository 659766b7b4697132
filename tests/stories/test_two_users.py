"""Bot and worker as two system users, arranged as docs/install.md says: the whole loop works, and walls hold."""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from tests.stories.nursery import Process
from tests.stories.rig import ROOT, Rig

GROUP, BOT, WORKER = 10001, 10002, 10003
USERS = {"bot": BOT, "worker": WORKER}


def other_users_can_run_us() -> bool:
    """Only root may become somebody else, and this Python may lie where others cannot go."""
    if os.geteuid() != 0:
        return False
    look = [sys.executable, "-c", "import bot.settings"]
    try:
        done = subprocess.run(look, cwd=ROOT, user=BOT, group=GROUP, extra_groups=[], check=False)
    except PermissionError:
        return False
    return done.returncode == 0


pytestmark = [
    pytest.mark.slow,
    pytest.mark.xdist_group("two-users"),
    pytest.mark.skipif(
        not other_users_can_run_us(), reason="needs root, and a Python that other users can run"
    ),
]


class TwoUsers(Rig):
    """The same house, each half under a user of its own, with one group in common."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        (folder / "countersign.yml").chmod(0o644)
        data, crm = folder / "data", folder / "crm"
        data.mkdir()
        os.chown(data, WORKER, GROUP)
        data.chmod(0o2770)
        (data / "countersign.db").touch()
        os.chown(data / "countersign.db", WORKER, GROUP)
        (data / "countersign.db").chmod(0o660)
        crm.mkdir()
        self.crm = self.crm.rename(crm / "crm.db")
        backups = folder / "backups"
        backups.mkdir()
        for path in (crm, self.crm, backups):
            os.chown(path, WORKER, WORKER)
            path.chmod(0o600 if path.is_file() else 0o700)

    def start(self, name: str, words: Sequence[str]) -> Process:
        with (self.folder / f"{name}.log").open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "bot", *words],
                cwd=ROOT,
                env={**self._environment_of(name), "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"},
                user=USERS[name],
                group=GROUP,
                extra_groups=[],
                umask=0o007,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        self.processes[name] = process
        return process


@pytest.fixture(scope="module")
def rig() -> Iterator[TwoUsers]:
    folder = Path(tempfile.mkdtemp(prefix="countersign-users-"))
    folder.chmod(0o755)
    try:
        with TwoUsers(folder) as rig:
            yield rig
    finally:
        shutil.rmtree(folder)


def seen_by(user: int, path: Path) -> bool:
    """Whether a process of that user can read a file or list a folder."""
    look = ["ls", str(path)] if path.is_dir() else ["cat", str(path)]
    done = subprocess.run(look, user=user, group=GROUP, extra_groups=[], capture_output=True, check=False)
    return done.returncode == 0


def test_they_delete_together_and_keep_their_secrets_apart(rig: TwoUsers) -> None:
    rig.approve(rig.ask_to_delete())
    rig.wait_state(1, "succeeded")
    assert not rig.ada_is_there()
    data = rig.folder / "data"
    for secret in (data / "worker", data / "worker" / "master.key", rig.folder / "backups", rig.crm):
        assert seen_by(WORKER, secret)
        assert not seen_by(BOT, secret), secret
    assert seen_by(BOT, data / "countersign.db")


@pytest.mark.parametrize(("curious", "other"), [("bot", "worker"), ("worker", "bot")])
def test_neither_can_look_into_the_other_process(rig: TwoUsers, curious: str, other: str) -> None:
    """Under one user this is where the paper wall tears: /proc shows the environment."""
    environment = Path(f"/proc/{rig.processes[other].pid}/environ")
    assert seen_by(USERS[other], environment)
    assert not seen_by(USERS[curious], environment)
