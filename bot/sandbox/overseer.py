"""A supervisor that ends with whoever started it, even when that one is killed: ``overseer.py -c FILE``."""

import ctypes
import signal
import sys

from supervisor.supervisord import main

_PR_SET_PDEATHSIG = 1

if __name__ == "__main__":
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    main(sys.argv[1:])
