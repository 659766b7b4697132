"""The encrypted container beside the ``age`` program: the same file in, the same file out."""

import secrets
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from benchmarks.report import Figure
from bot.backups.age import Encryptor, Identity, open_decrypted

BLOCK = 1024 * 1024
ROUNDS = 5
#: A disk would be measured otherwise.
MEMORY = Path("/dev/shm")


def figures(size: int = 512 * BLOCK) -> Iterator[Figure]:
    """Megabytes per second, best of several rounds; both write into memory."""
    age = shutil.which("age")
    assert age, "the age program is needed"
    with tempfile.TemporaryDirectory(dir=MEMORY if MEMORY.is_dir() else None) as name:
        folder = Path(name)
        identity = Identity(secrets.token_bytes(32))
        plain, sealed, out, key = (folder / one for one in ("plain", "sealed", "out", "key"))
        key.write_text(identity.secret_text() + "\n", encoding="ascii")
        with plain.open("wb") as file:
            for _ in range(size // BLOCK):
                file.write(secrets.token_bytes(BLOCK))
        to_them = [age, "-r", identity.recipient, "-o", str(out), str(plain)]
        from_them = [age, "-d", "-i", str(key), "-o", str(out), str(sealed)]
        ours, peer = _best(
            size, out, lambda: encrypt(plain, out, identity), lambda: subprocess.run(to_them, check=True)
        )
        yield _figure("archive: encrypt", ours, peer)
        encrypt(plain, sealed, identity)
        ours, peer = _best(
            size, out, lambda: decrypt(sealed, out, identity), lambda: subprocess.run(from_them, check=True)
        )
        yield _figure("archive: decrypt", ours, peer)


def encrypt(source: Path, out: Path, identity: Identity) -> None:
    """As the worker encrypts, from file to file."""
    buffer = bytearray(BLOCK)
    view = memoryview(buffer)
    with (
        source.open("rb", buffering=0) as plain,
        out.open("wb", buffering=0) as file,
        Encryptor(file, [identity.recipient], secrets.token_bytes) as sealed,
    ):
        while size := plain.readinto(buffer):
            sealed.write(view[:size])


def decrypt(source: Path, out: Path, identity: Identity) -> None:
    """As the worker decrypts, from file to file."""
    with source.open("rb") as sealed, out.open("wb", buffering=0) as file:
        plain = open_decrypted(sealed, [identity])
        while data := plain.read(BLOCK):
            file.write(data)


def _figure(name: str, ours: float, peer: float) -> Figure:
    return Figure(name, ours, "MB/s", "age", peer, "at least 1.3 times age", ours >= 1.3 * peer)


def _best(size: int, out: Path, *works: Callable[[], object]) -> list[float]:
    """The best of several rounds of each, taken in turn, so that both meet the same weather."""
    best = [float("inf")] * len(works)
    for _ in range(ROUNDS):
        for place, work in enumerate(works):
            out.unlink(missing_ok=True)
            started = time.perf_counter()
            work()
            best[place] = min(best[place], time.perf_counter() - started)
    return [size / seconds / 1e6 for seconds in best]
