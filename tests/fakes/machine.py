"""A root folder with lists of users and groups, which the programs of ``passwd`` change with ``--prefix``."""

import shutil
import subprocess
from pathlib import Path

from bot.targets.machine_programs import PROGRAMS

PASSWD = """root:x:0:0:root:/root:/bin/bash
daemon:x:1:1:daemon:/usr/sbin:/usr/sbin/nologin
crm:x:31998:31997:CRM, of \u00e9t\u00e9;:/nonexistent:/usr/sbin/nologin
app:x:31999:31033:an app:/nowhere/at/all:/usr/sbin/nologin
ada:x:31001:31001::/people/ada:/bin/sh
"""
SHADOW = """root:*:19000:0:99999:7:::
daemon:*:19000:0:99999:7:::
crm:!:20000::::::
app:*:19999:0:99999:7:30::
ada:$6$salt$hash:20000:0:99999:7:::
"""
GROUP = """root:x:0:
daemon:x:1:
crm:x:31997:
www:x:31033:crm,ada
ada:x:31001:
old:x:31996:
logs:x:31034:ada,app
"""
GSHADOW = """root:*::
daemon:*::
crm:!::
www:!::crm,ada
ada:!::
old:*::
logs:!::ada,app
"""


def require_programs() -> None:
    """Say what the machine lacks that runs the tests."""
    lacking = [one for one in PROGRAMS if shutil.which(one, path="/usr/sbin:/usr/bin:/sbin:/bin") is None]
    assert not lacking, f"the package passwd is not there: {', '.join(lacking)}"


def machine(root: Path) -> Path:
    """Lists of their own below a folder; nothing of the machine that runs the tests."""
    require_programs()
    etc = root / "etc"
    etc.mkdir(parents=True, exist_ok=True)
    for name, text in (("passwd", PASSWD), ("shadow", SHADOW), ("group", GROUP), ("gshadow", GSHADOW)):
        (etc / name).write_text(text)
    (etc / "login.defs").write_text("USERGROUPS_ENAB yes\n")
    for name in ("shadow", "gshadow"):
        (etc / name).chmod(0o640)
    return root


def run(root: Path, program: str, *words: str) -> None:
    """As somebody else does it."""
    found = shutil.which(program, path="/usr/sbin:/usr/bin:/sbin:/bin")
    assert found is not None
    subprocess.run([found, "--prefix", root, *words], check=True, capture_output=True)


def lines(root: Path, *names: str) -> list[str]:
    """Every line of every list in which one of the names is, in the order of the lists, each with its members sorted."""
    found = []
    for which in ("passwd", "shadow", "group", "gshadow", "subuid", "subgid"):
        path = root / "etc" / which
        for line in path.read_text().splitlines() if path.exists() else ():
            fields = line.split(":")
            if set(names) & {word for field in fields for word in field.split(",")}:
                last = ",".join(sorted(fields[-1].split(",")))
                found.append(f"{which} {':'.join([*fields[:-1], last])}")
    return sorted(found)


def processes(root: Path, *running: tuple[int, int, int]) -> Path:
    """What a kernel would say: the first process, and those that are running, each with its user and its group."""
    proc = root / "kernel"
    shutil.rmtree(proc, ignore_errors=True)
    for pid, user, group in ((1, 0, 0), *running):
        folder = proc / str(pid)
        folder.mkdir(parents=True)
        ids = f"Uid:\t{user}\t0\t0\t0\nGid:\t0\t0\t0\t{group}\nGroups:\t4 \n"
        (folder / "status").write_text(f"Name:\tnightly\n{ids}")
        (folder / "stat").write_text(f"{pid} (nightly) S 1 1 1 0 -1 0 " + "0 " * 12 + "5 0")
    return proc
