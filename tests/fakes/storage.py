"""A backup store in memory that keeps the contract, with a disk of a chosen size."""

import io
from types import TracebackType
from typing import IO, Self

from bot.backups.storage.names import check_name
from bot.errors import NotFound, Stale, StorageDown


class MemoryStorage:
    """``objects`` may be changed by a test to play the attacker; ``quota`` in bytes plays the full disk."""

    def __init__(self, quota: int | None = None) -> None:
        self.objects: dict[str, bytes] = {}
        self.quota = quota
        self.unfinished = 0

    @property
    def where(self) -> str:
        return "memory"

    def put_new(self, name: str) -> "MemoryUpload":
        check_name(name)
        if name in self.objects:
            raise Stale("backups.exists", name=name)
        return MemoryUpload(self, name)

    def open_read(self, name: str) -> IO[bytes]:
        check_name(name)
        return io.BytesIO(self._get(name))

    def exists(self, name: str) -> bool:
        check_name(name)
        return name in self.objects

    def size(self, name: str) -> int:
        check_name(name)
        return len(self._get(name))

    def delete(self, name: str) -> None:
        check_name(name)
        self.objects.pop(name, None)

    def list(self) -> list[str]:
        return sorted(self.objects)

    def sweep(self) -> int:
        return 0

    def try_out(self) -> None:
        self.room(0)

    def room(self, wanted: int) -> None:
        used = sum(map(len, self.objects.values())) + self.unfinished
        if self.quota is not None and used + wanted > self.quota:
            raise StorageDown("backups.store_full", path="memory")
        self.unfinished += wanted

    def _get(self, name: str) -> bytes:
        if name not in self.objects:
            raise NotFound("backups.not_there", name=name)
        return self.objects[name]


class MemoryUpload:
    def __init__(self, store: MemoryStorage, name: str) -> None:
        self._store = store
        self._name = name
        self._data = bytearray()
        self._open = True

    def write(self, data: bytes, /) -> int:
        assert self._open
        self._store.room(len(data))
        self._data += data
        return len(data)

    def commit(self) -> None:
        assert self._open
        if self._name in self._store.objects:
            raise Stale("backups.exists", name=self._name)
        self._store.objects[self._name] = bytes(self._data)
        self.discard()

    def discard(self) -> None:
        if self._open:
            self._store.unfinished -= len(self._data)
            self._open = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None:
        self.discard()
