"""Which worker this is. On SQLite there is one: a lock on a file in the data directory."""

import fcntl
import os
from pathlib import Path

from bot.errors import NotAllowed


class WorkerLock:
    """Held for the life of the process; the kernel lets go of it when the process dies, however it dies."""

    def __init__(self, data_dir: Path) -> None:
        data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._descriptor = os.open(data_dir / "worker.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(self._descriptor)
            raise NotAllowed("worker.second", folder=str(data_dir)) from None

    def release(self) -> None:
        """Let another worker begin."""
        os.close(self._descriptor)
