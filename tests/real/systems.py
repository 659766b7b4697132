"""Raising the systems by scripts that lie beside the project, and what each can say about itself."""

import os
import re
import subprocess
import time
from dataclasses import dataclass, replace
from pathlib import Path

#: Where the scripts are: a folder per system with ``up.sh``, and ``servers.sh`` for servers of their own.
SCRIPTS = Path(os.environ.get("REAL_SYSTEMS", "../shared/crm")).resolve()
ALL = ("pg", "maria", "sqlite")
ENGINES = {"roundcube": ALL, "zabbix": ALL, "rt": ALL, "creme": ALL, "tryton": ("pg", "sqlite")}
_EXPORT = re.compile(r"(\w+)=(\S+)")


@dataclass(frozen=True)
class System:
    """One application on one engine, raised and filled."""

    name: str
    engine: str
    url: str
    seconds: float
    work: Path


def servers(work: Path) -> dict[str, str]:
    """Start the servers; the variables that the scripts read. Those of the environment are taken as they are."""
    if os.environ.get("PGPORT"):
        return {"PGHOST": "127.0.0.1", "PGUSER": "postgres", **os.environ}
    said = subprocess.run(
        ["bash", str(SCRIPTS / "servers.sh"), "up"],
        env={**os.environ, "DIR": str(work / "servers")},
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    ).stdout
    return dict(_EXPORT.findall(said.splitlines()[-1].removeprefix("export ")))


def stop(work: Path) -> None:
    """Stop what ``servers`` started."""
    if os.environ.get("PGPORT"):
        return
    subprocess.run(
        ["bash", str(SCRIPTS / "servers.sh"), "down"],
        env={**os.environ, "DIR": str(work / "servers")},
        check=False,
        stdout=subprocess.DEVNULL,
    )


def raised(name: str, engine: str, variables: dict[str, str], work: Path) -> System:
    """Make the system from nothing.

    Raises:
        CalledProcessError: its script failed; its words stand in ``up.log``.
    """
    folder = work / f"{name}-{engine}"
    folder.mkdir(parents=True, exist_ok=True)
    env = {
        **os.environ,
        **variables,
        "ENGINE": engine,
        "DB": f"real_{name}",
        "WORK": str(work / f"{name}-work"),
    }
    env["DBFILE"] = str(folder / f"real_{name}.sqlite")
    started = time.monotonic()
    with (folder / "up.log").open("w") as log:
        subprocess.run(
            ["bash", str(SCRIPTS / name / "up.sh")], env=env, check=True, stdout=log, stderr=subprocess.STDOUT
        )
    return replace(standing(name, engine, variables, work), seconds=time.monotonic() - started)


def standing(name: str, engine: str, variables: dict[str, str], work: Path) -> System:
    """The system as it stands."""
    database = f"real_{name}"
    beside = work / f"{name}-work" / "data" / f"{database}.sqlite"
    place = work / f"{name}-{engine}" / f"{database}.sqlite"
    file = beside if beside.exists() and beside.stat().st_size else place
    url = {
        "pg": "postgresql://{PGUSER}@{PGHOST}:{PGPORT}/{database}",
        "maria": "mysql://{MYUSER}:{MYPASS}@{MYHOST}:{MYPORT}/{database}",
        "sqlite": "sqlite:///{file}",
    }[engine].format(**variables, database=database, file=file)
    return System(name, engine, url, 0.0, work / f"{name}-work")
