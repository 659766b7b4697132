"""A real supervisord in a folder, with the programs a test gives it."""

import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from bot.targets.services import SupervisorService
from bot.targets.stopping import Patience

QUICK = Patience(answer=5, stop=6, watch=0.5, start=10)


@contextmanager
def supervisor(folder: Path, programs: Mapping[str, str], startsecs: int = 0) -> Iterator[str]:
    """Run it; gives the path of its socket."""
    address = folder / "s.sock"
    sections = "".join(
        f"[program:{name}]\n{lines}\nstartsecs={startsecs}\n" for name, lines in programs.items()
    )
    config = folder / "supervisord.conf"
    config.write_text(
        f"[unix_http_server]\nfile={address}\n"
        "[rpcinterface:supervisor]\n"
        "supervisor.rpcinterface_factory=supervisor.rpcinterface:make_main_rpcinterface\n"
        f"[supervisord]\nnodaemon=true\nlogfile={folder}/log\npidfile={folder}/pid\nchildlogdir={folder}\n"
        + sections
    )
    with subprocess.Popen(
        [sys.executable, "-m", "supervisor.supervisord", "-c", config],
        # Programs of another test with the same words would be the same program, started elsewhere.
        cwd=folder,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as process:
        try:
            until = time.monotonic() + 20
            while not address.exists() and time.monotonic() < until:
                time.sleep(0.02)
            yield str(address)
        finally:
            process.terminate()


def service(address: str, program: str, *ports: int) -> SupervisorService:
    return SupervisorService(program, address, program, ports, QUICK)
