"""Files of other people, by a worker that is nobody but for the capabilities its unit lists: every one is needed."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.unit.test_units import FILES, capabilities

NOBODY = 65534
SCRIPT = """
import sys
from bot.targets import processes
from bot.targets.files import FolderHolding
from tests.fakes.backup_streams import MemoryBackup

place, root, pid = sys.argv[1], sys.argv[2], int(sys.argv[3])
one, backup = FolderHolding("part", place, [root]), MemoryBackup()
assert pid in {user.pid for user in one.users("t1").users}, "who holds it is not seen"
from bot.targets.stopping import end, left
known = [(pid, processes.one(pid).started)]
end(known, 2)
assert not left(known), "a process of others is not ended"
one.survey()
one.copy(backup)
source = backup.sealed()
one.rehearse("t1", source)
one.set_aside("t1", source)
one.put_back("t1")
one.set_aside("t1", source)
one.verify("t1", source)
one.remove("t1", source)
one.require_room()
one.prepare("t2", source)
one.appear("t2")
one.discard("t2")
"""


def looks(place: Path) -> dict[str, tuple[int, ...]]:
    found: dict[str, tuple[int, ...]] = {}
    for path in [place, *place.rglob("*")]:
        about = path.lstat()
        found[str(path.relative_to(place))] = (about.st_mode, about.st_uid, about.st_gid, about.st_mtime_ns)
    return found


def others(root: Path) -> Path:
    """A folder as a system leaves it: several owners, modes that shut everybody out, a sticky and a setgid folder."""
    place = root / "part"
    for name, mode, owner in (("", 0o2750, 1001), ("private", 0o700, 1002), ("drop", 0o1733, 1001)):
        (place / name).mkdir(parents=True)
        (place / name / "file").write_text(f"of {owner}")
        (place / name / "file").chmod(0o600)
        os.chown(place / name / "file", owner + 1, owner)
        os.chown(place / name, owner, owner)
        (place / name).chmod(mode)
    return place


def run(tmp_path: Path, held: list[str]) -> subprocess.CompletedProcess[str]:
    root = tmp_path / "srv"
    root.mkdir(mode=0o755)
    place = others(root)
    before = looks(place)
    some = ",".join(f"+{name.removeprefix('CAP_').lower()}" for name in held)
    nobody = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"]
    limits = [f"--bounding-set=-all,{some}", f"--inh-caps=-all,{some}", f"--ambient-caps=-all,{some}"]
    holder = ["setpriv", "--reuid=1001", "--regid=1001", "--clear-groups", "sleep", "60"]
    with subprocess.Popen(holder, cwd=place) as other:
        try:
            words = [*nobody, *limits, sys.executable, "-c", SCRIPT, str(place), str(root), str(other.pid)]
            done = subprocess.run(
                words, capture_output=True, text=True, check=False, timeout=60, cwd=Path.cwd()
            )
        finally:
            other.kill()
    if done.returncode == 0:
        assert looks(place) == before
    return done


@pytest.fixture(autouse=True)
def _by_root() -> None:
    if os.geteuid() or shutil.which("setpriv") is None:
        pytest.skip("only root, with setpriv, can start somebody with a few capabilities")


def test_what_the_unit_lists_is_enough(tmp_path: Path) -> None:
    done = run(tmp_path, capabilities(FILES))
    assert done.returncode == 0, done.stderr


#: what is missing -> what it is found out by
MISSING = {
    "CAP_DAC_OVERRIDE": "files.",
    "CAP_CHOWN": "files.not-mine",
    "CAP_FOWNER": "files.not-mine",
    "CAP_FSETID": "files.",
    "CAP_KILL": "is not ended",
    "CAP_SYS_PTRACE": "is not seen",
}


@pytest.mark.parametrize("missing", MISSING)
def test_and_every_one_is_needed_and_missed_before_anything_is_half_done(
    tmp_path: Path, missing: str
) -> None:
    assert sorted(MISSING) == sorted(capabilities(FILES))
    done = run(tmp_path, [one for one in capabilities(FILES) if one != missing])
    assert MISSING[missing] in done.stderr
    assert (tmp_path / "srv" / "part" / "private" / "file").exists(), done.stderr
