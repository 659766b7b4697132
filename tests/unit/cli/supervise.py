"""Runs the supervisor over stand-ins in a process of its own: ``supervise.py PAUSE STOP NAME…``."""

import os
import sys
from collections.abc import Mapping
from pathlib import Path

from bot.cli.children import Part, Patience, Supervisor

script = Path(__file__).with_name("part_stand_in.py")
pause, stop, *names = sys.argv[1:]


def tell(event: str, part: str, params: Mapping[str, str | int]) -> None:
    sys.stdout.write(f"{event} {part} {dict(params)}\n")
    sys.stdout.flush()


parts = [
    Part(name, [sys.executable, str(script), name], {"PATH": os.environ["PATH"], "SEEN_BY": name})
    for name in names
]
sys.exit(Supervisor(parts, tell, Patience(pause=float(pause), stop=float(stop))).run())
