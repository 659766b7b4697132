"""Which machine this is."""

import hashlib
import socket
from pathlib import Path

_ID = Path("/etc/machine-id")


def machine_mark() -> str:
    """The same for one machine, other for every other: its name and the id its system was given, hashed.

    Two machines may call themselves alike; a plan that was approved for one must not run on the other.
    """
    try:
        known = _ID.read_text(encoding="ascii", errors="replace").strip()
    except OSError:
        known = ""
    return hashlib.sha256(f"{socket.gethostname()}\n{known}".encode()).hexdigest()[:16]
