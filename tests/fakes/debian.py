"""Debian's packages unpacked in a folder, not installed: servers and programs that this release does not have."""

import fcntl
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest

#: What could not be had: asking again would take as long as the first time.
_MISSING: dict[tuple[str, ...], str] = {}


def unpacked_from_sid(*packages: str) -> Path:
    """A root folder with these packages of Debian unstable and all that they stand on, its C library too.

    It is made once on a machine. On one that cannot download it the test is skipped.
    """
    if packages in _MISSING:
        pytest.skip(_MISSING[packages])
    place = Path(tempfile.gettempdir()) / f"countersign-{'-'.join(packages)}"
    with Path(f"{place}.lock").open("w") as lock:
        # Another process of tests may be at it.
        fcntl.flock(lock, fcntl.LOCK_EX)
        if place.exists():
            # Everybody may make a folder there, and its programs are run.
            assert place.stat().st_uid == os.geteuid(), f"{place} belongs to somebody else: remove it"
        else:
            making = Path(tempfile.mkdtemp(prefix=f"{place.name}-", dir=place.parent))
            try:
                _fetch(making, packages)
            except (OSError, subprocess.CalledProcessError) as error:
                _MISSING[packages] = f"apt-get cannot download {' '.join(packages)} here: {error}"
                pytest.skip(_MISSING[packages])
            else:
                (making / "root").rename(place)
            finally:
                shutil.rmtree(making, ignore_errors=True)
    return place


def program(root: Path, path: str) -> list[str]:
    """How a program of such a folder is started: by its own loader, with its own libraries."""
    (loader,) = root.glob("usr/lib/*-linux-gnu*/ld-linux*.so.*")
    return [str(loader), "--library-path", str(loader.parent), f"{root}{path}"]


def _fetch(folder: Path, packages: tuple[str, ...]) -> None:
    for made in ("lists/partial", "archives/partial", "root"):
        (folder / made).mkdir(parents=True)
    # Nothing counts as installed, so that all of it comes.
    (folder / "status").touch()
    (folder / "sources").write_text(f"deb {_mirror()} sid main\n")
    options = {
        "Dir::State::lists": "lists",
        "Dir::State::status": "status",
        "Dir::Cache": "",
        "Dir::Cache::archives": "archives",
        "Dir::Etc::sourcelist": "sources",
    }
    apt = ["apt-get", "-qq", "-o", "Acquire::Retries=5", "-o", "Dir::Etc::sourceparts=/dev/null"]
    apt += [word for name, value in options.items() for word in ("-o", f"{name}={folder}/{value}")]
    if os.geteuid() == 0:
        # Its own user may not write into a folder of ours.
        apt += ["-o", "APT::Sandbox::User=root"]
    _run([*apt, "update"])
    _run([*apt, "install", "-y", "--no-install-recommends", "--download-only", *packages])
    for archive in sorted((folder / "archives").glob("*.deb")):
        _run(["dpkg-deb", "-x", str(archive), str(folder / "root")])
    folder.chmod(0o755)
    (folder / "root").chmod(0o755)


def _mirror() -> str:
    """Where this machine gets Debian from."""
    form = ["--format", "$(ORIGIN) $(CODENAME) $(REPO_URI)"]
    known = subprocess.run(["apt-get", "indextargets", *form], check=True, capture_output=True, text=True)
    for line in known.stdout.splitlines():
        origin, codename, address = line.split(" ", 2)
        if origin == "Debian" and "-" not in codename:
            return address
    raise OSError("no source of Debian's packages is set up")


def _run(command: list[str]) -> None:
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
