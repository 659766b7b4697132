"""Ports that no other process of tests takes meanwhile: what was stopped stays silent until it is started again.

The system gives a port that is free to whoever asks next, so that the page of one test could answer at the
address of another one's, which is down.
"""

import os
import socket
from itertools import count

#: Below those that the system gives away by itself; so many for each process.
_FIRST, _EACH = 12_000, 2_500
_WORKER = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")) % 8
#: Not from the first one on: another run may be going on, or have ended just now.
_NEXT = count(os.getpid())


def free_port() -> int:
    """A port of the loopback, of this process of tests alone, that nobody listens on."""
    for place in _NEXT:
        port = _FIRST + _WORKER * _EACH + place % _EACH
        with socket.socket() as found:
            try:
                found.bind(("127.0.0.1", port))
            except OSError:
                continue
        return port
    raise AssertionError("it counts for ever")
