"""Stands in for one half of ``serve``: it says where it is and behaves as the folder it finds asks for.

Run as ``part_stand_in.py NAME``; the working directory is the meeting place. ``NAME.mood`` holds what to do:
``run``, ``stubborn`` (ignores SIGTERM), or an exit code. Every start appends a line to ``NAME.pids``.
"""

import os
import signal
import sys
import time
from pathlib import Path

name = sys.argv[1]
mood = Path(f"{name}.mood").read_text().strip() if Path(f"{name}.mood").exists() else "run"
if mood == "stubborn":
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
else:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
with Path(f"{name}.pids").open("a") as log:
    log.write(f"{os.getpid()}\n")
if mood.isdigit():
    sys.exit(int(mood))
while True:
    time.sleep(0.05)
