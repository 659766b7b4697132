"""What each application says of its own database, by its own programs: before, after a deletion, after the restore."""

import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from tests.real.systems import System

_OWN = Path(__file__).with_name("own")
#: Of Zabbix' log: what polling and its own tasks complain of depends on the moment, and lines run together.
_COMPLAINT = re.compile(r"<dbconfig\.c,\w+>|\[Z\d+\][^\n]*|Unable to start[^\n]*")
_INVALID = re.compile(r"^(?:Record|Principal|The owner|Link in)\b.*(?:\n\t.*)*", re.MULTILINE)
_STARTED = "[configuration syncer"
#: What the process calls itself once it has read everything.
_SYNCED = "configuration syncer [synced"
_PATIENCE = 60


@dataclass(frozen=True)
class Said:
    """Complaints in the application's words; ``read``: how many rows it looked at, where it tells."""

    complaints: frozenset[str]
    read: int | None = None


Ask = Callable[[], Said]


class NotAskedError(Exception):
    """An application's own program did not work here; its last words."""


def of(system: System, variables: Mapping[str, str]) -> Ask | None:
    """How to ask; None where the application has nothing to ask with on this machine."""
    env = {**os.environ, **variables}
    if system.name == "rt" and shutil.which("rt-validator-5"):
        folder = system.work / system.engine
        env |= {
            "RT_SITE_CONFIG": str(folder / "RT_SiteConfig.pm"),
            "RT_SITE_CONFIG_DIR": str(folder / "site.d"),
        }
        return lambda: _validated(env)
    if system.name == "creme":
        project = system.work / f"app-{system.engine}" / "mycrm"
        env |= {
            "PYTHONPATH": str(project),
            "DJANGO_SETTINGS_MODULE": "mycrm.settings",
            "PYTHONWARNINGS": "ignore",
        }
        return lambda: _read([_python(system), _OWN / "read_creme.py"], env, project)
    if system.name == "tryton":
        return lambda: _read([_python(system), _OWN / "read_tryton.py", *_tryton(system)], env, system.work)
    if system.name == "roundcube" and shutil.which("php"):
        return lambda: _read(["php", _OWN / "read_roundcube.php"], env | _roundcube(system), system.work)
    if system.name == "zabbix" and system.engine != "sqlite":
        return lambda: _started(system, env)
    return None


def _python(system: System) -> Path:
    return system.work / "venv-main" / "bin" / "python"


def _read(command: list[str | Path], env: Mapping[str, str], folder: Path) -> Said:
    done = subprocess.run(
        command, env=env, cwd=folder, check=False, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    lines = done.stdout.splitlines()
    read = [int(line.split()[1]) for line in lines if re.fullmatch(r"read \d+", line)]
    if not read:
        raise NotAskedError(done.stdout.strip()[-200:])
    return Said(frozenset(line[2:] for line in lines if line.startswith("! ")), read[0])


def _validated(env: Mapping[str, str]) -> Said:
    command = ["rt-validator-5", "--check", "--verbose"]
    done = subprocess.run(
        command, env=env, check=False, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    return Said(frozenset(" ".join(one.split()) for one in _INVALID.findall(done.stdout)))


def _tryton(system: System) -> list[str]:
    """A configuration for this engine, and the database's name."""
    file = system.work / f"own-{system.engine}.conf"
    uri = "sqlite://" if system.engine == "sqlite" else system.url.rpartition("/")[0] + "/"
    file.write_text(f"[database]\nuri = {uri}\npath = {system.work / 'data'}\n", encoding="utf-8")
    return [str(file), Path(urlsplit(system.url).path).name.removesuffix(".sqlite")]


def _roundcube(system: System) -> dict[str, str]:
    """Its own configuration with this database."""
    root = system.work / "deb" / "root"
    folder = system.work / f"own-{system.engine}"
    shutil.copytree(root / "etc" / "roundcube", folder, dirs_exist_ok=True)
    url = system.url.replace("postgresql:", "pgsql:").replace("sqlite:///", "sqlite:////")
    url = re.sub(r"^sqlite:/+", "sqlite:////", url)
    text = f"<?php\n$config = ['db_dsnw' => '{url}', 'log_driver' => 'stdout', 'des_key' => '{'k' * 24}'];\n"
    (folder / "config.inc.php").write_text(text, encoding="utf-8")
    return {"ROUNDCUBE": str(root / "usr" / "share" / "roundcube"), "RCUBE_CONFIG_PATH": f"{folder}/"}


def _started(system: System, env: Mapping[str, str]) -> Said:
    """Zabbix' server reads its whole configuration when it starts; it writes as well, so on a copy."""
    root = system.work / f"own-{system.engine}"
    if not root.exists():
        package = "pgsql" if system.engine == "pg" else "mysql"
        file = next((system.work / "deb").glob(f"zabbix-server-{package}_*.deb"))
        subprocess.run(["dpkg-deb", "-x", file, root], check=True)
    with _copy(system, env) as name:
        parts = urlsplit(system.url)
        settings = {
            "LogType": "console", "DBHost": parts.hostname, "DBPort": parts.port, "DBName": name,
            "DBUser": parts.username, "DBPassword": parts.password or "", "ListenPort": 30490 + (system.engine == "pg"), "ListenIP": "127.0.0.1",
            "AllowRoot": 1, "AllowUnsupportedDBVersions": 1, "StartPollers": 0, "StartPollersUnreachable": 0, "PidFile": root / "pid", "SocketDir": root, "FpingLocation": "/bin/true",
        }  # fmt: skip
        file = root / "server.conf"
        file.write_text(
            "".join(f"{key}={value}\n" for key, value in settings.items() if value != ""), encoding="utf-8"
        )
        log = root / "log"
        with log.open("w") as out:
            server = subprocess.Popen(
                [root / "usr/sbin/zabbix_server", "-c", file, "-f"],
                stdout=out,
                stderr=out,
                start_new_session=True,
            )
        deadline = time.monotonic() + _PATIENCE
        while server.poll() is None and _SYNCED not in _titles(server.pid) and time.monotonic() < deadline:
            time.sleep(0.2)
        said = log.read_text(errors="replace")
        # It would write for half a minute before it ended, into a copy that nobody wants.
        with suppress(ProcessLookupError):
            os.killpg(server.pid, signal.SIGKILL)
        server.wait()
    if _STARTED not in said:
        raise NotAskedError(said.strip()[-200:])
    return Said(frozenset(_COMPLAINT.findall(said)))


def _titles(session: int) -> str:
    """What the processes of a session call themselves."""
    return subprocess.run(
        ["ps", "-o", "args=", "-s", str(session)], check=False, stdout=subprocess.PIPE, text=True
    ).stdout


@contextmanager
def _copy(system: System, env: Mapping[str, str]) -> Iterator[str]:
    name = system.url.rpartition("/")[2]
    copy = f"{name}_own"
    if system.engine == "pg":
        run = ["psql", "-XqAt", "-d", "postgres"]
        drop = [*run, "-c", f'DROP DATABASE IF EXISTS "{copy}" WITH (FORCE)']
        make = [[*run, "-c", f'CREATE DATABASE "{copy}" TEMPLATE "{name}"']]
    else:
        where = f"--no-defaults -h{env['MYHOST']} -P{env['MYPORT']} -u{env['MYUSER']}"
        drop = ["bash", "-c", f"mariadb {where} -e 'DROP DATABASE IF EXISTS {copy}'"]
        make = [
            ["bash", "-c", f"mariadb {where} -e 'CREATE DATABASE {copy} CHARACTER SET utf8mb4 COLLATE utf8mb4_bin'"],
            ["bash", "-o", "pipefail", "-c", f"mariadb-dump {where} --single-transaction --triggers {name} | mariadb {where} {copy}"],
        ]  # fmt: skip
    env = {**env, "MYSQL_PWD": env.get("MYPASS", "")}
    for command in (drop, *make):
        subprocess.run(command, env=env, check=True, stdout=subprocess.DEVNULL)
    try:
        yield copy
    finally:
        subprocess.run(drop, env=env, check=True, stdout=subprocess.DEVNULL)
