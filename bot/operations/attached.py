"""The files that rows name, beside a deletion: found, copied, set aside before COMMIT, removed after it.

They lie in folders or in buckets. Rows are the truth. Until COMMIT everything can be put back by what lies in
the place itself; after it, removing goes on wherever it was cut off. A file that a row outside the closure
names too stays where it is.
"""

import hashlib
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any

from bot.backups.vault import OpenedBackup, Sealing, Vault
from bot.config.record_types import Attachment
from bot.errors import CannotProve, CountersignError
from bot.model.backups import Manifest, SealedBackup
from bot.model.plans import FilesPart, Told
from bot.model.row_keys import hash_marks, marks
from bot.operations.archived import Extra
from bot.operations.attachment_stores import store_of
from bot.operations.file_spellings import named_otherwise
from bot.operations.gate import Wanted
from bot.operations.preflight import Closure, Ground, find_table
from bot.targets.attachment_store import Attached, AttachmentStore, Kept
from bot.targets.base import Edge, Need, Session

_BACK = "back-"
_RESTORE = re.compile(_BACK + "(b[0-9]{8}-[0-9a-z]{10})(?:-[0-9a-f]{8})?")


def steps(plain: Sequence[str], found: Sequence[Attached]) -> tuple[str, ...]:
    """The steps of a deletion, with those for files when there are any."""
    if not found:
        return tuple(plain)
    more = {"step.commit": (aside(found), "step.commit"), "step.verify": ("step.verify", "step.files-remove")}
    return tuple(step for name in plain for step in more.get(name, (name,)))


def aside(found: Sequence[Attached]) -> str:
    """What the step before COMMIT is called; files are moved, objects are only noted down."""
    names = {one.store.words.step for one in found}
    return "step.files-aside" if len(names) != 1 else names.pop()


def links(
    session: Session, target: str, attachments: Sequence[Attachment], ground: Ground
) -> tuple[Edge, ...]:
    """From every column that may name a file to every column within reach that names files of that folder.

    Raises:
        BadInput: the configuration names a column that is not there.
    """
    for one in attachments:
        find_table(ground.catalogue, target, one.place[0], [one.place[1]])
    return tuple(
        session.check(Edge(child.place[0], (child.place[1],), one.place[0], (one.place[1],), "soft"))
        for one in attachments
        if one.place[0] in ground.reach.tables
        for child in attachments
        if child.root == one.root
    )


def needs(edges: Iterable[Edge]) -> tuple[Need, ...]:
    """Nobody may begin to name a file while it goes."""
    return tuple(Need(edge.child, holds=True) for edge in edges)


def added(
    session: Session,
    found: Closure,
    attachments: Sequence[Attachment],
    edges: Sequence[Edge],
    hash_key: bytes,
) -> Closure:
    """The closure with the files of its rows.

    Raises:
        CannotProve: a row outside names one of them and cannot be identified.
        TargetDown: a folder is not there, or a file may not be read or moved.
    """
    here = [one for one in attachments if one.place[0] in found.tables]
    roots = sorted({one.root for one in here})
    attached = [
        _of_root(session, found, [one for one in here if one.root == root], edges, hash_key) for root in roots
    ]
    return replace(
        found,
        attached=tuple(replace(one, stream=f"attached-{n}") for n, one in enumerate(attached, start=1)),
    )


def _of_root(
    session: Session, found: Closure, here: Sequence[Attachment], edges: Sequence[Edge], hash_key: bytes
) -> Attached:
    prefix = here[0].prefix or ""
    wanted: set[str] = set()
    odd = 0
    for one in here:
        names = list(_values(session, found, one))
        known = {name for name in names if isinstance(name, str) and name.startswith(prefix)}
        odd += len({name for name in names if name not in known})
        wanted |= known
    places = {one.place for one in here}
    others = [edge for edge in edges if (edge.parent, edge.parent_columns[0]) in places]
    shared = wanted & {value for edge in others for value in _shared(session, found, edge)}
    store = store_of(here[0], hash_key)
    if here[0].file is not None:
        plain = {name.removeprefix(prefix) for name in wanted - shared}
        otherwise = named_otherwise(session, found, others, here[0].root, prefix, plain)
        shared |= {prefix + name for name in otherwise}
    seen = store.look(name.removeprefix(prefix) for name in wanted - shared)
    return Attached(
        store,
        seen.files,
        _named(store, seen.files, hash_key),
        missing=seen.missing,
        odd=seen.odd + odd,
        shared=len(shared),
        told=seen.told,
    )


def _named(store: AttachmentStore, files: Iterable[Kept], hash_key: bytes) -> str:
    return hash_marks(hash_key, marks(hash_key, f"file in {store.identity}", ((one.path,) for one in files)))


def _values(session: Session, found: Closure, one: Attachment) -> Iterator[object]:
    table, column = one.place
    place = [known.name for known in found.ground.catalogue.tables[table].stored].index(column)
    return (row[place] for row in session.rows(table) if row[place] not in (None, ""))


def _shared(session: Session, found: Closure, edge: Edge) -> Iterator[object]:
    """What rows that stay hold in a column, of what the rows that go hold in theirs."""
    if not session.pointing(edge):
        return iter(())
    if not found.ground.catalogue.tables[edge.child].key:
        raise CannotProve("operations.no-key", target=found.ground.target, table=edge.child)
    session.note(edge)
    return (row[-1] for row in session.links(edge))


def parts(found: Closure) -> tuple[FilesPart, ...]:
    """What the plan says of the files, folder by folder."""
    return tuple(
        FilesPart(one.store.path, len(one.files), sum(file.size for file in one.files), one.names)
        for one in going(found)
    )


def going(found: Closure) -> tuple[Attached, ...]:
    """The places from which something goes."""
    return tuple(one for one in found.attached if one.files)


def told(found: Closure) -> tuple[Told, ...]:
    """What stays, or is not there."""
    counts = [
        (key, one.store.path, n)
        for one in found.attached
        for key, n in (
            ("told.files-missing", one.missing),
            ("told.files-shared", one.shared),
            (one.store.words.odd, one.odd),
        )
    ]
    return (
        *(Told(key, {"root": root, "n": n}) for key, root, n in counts if n),
        *(Told(key, params) for one in found.attached for key, params in one.told),
    )


def copy(found: Closure, sealing: Sealing) -> tuple[Attached, ...]:
    """Everything into the archive; raises as ``AttachmentStore.copy``."""
    return tuple(replace(one, files=one.store.copy(one.files, sealing, one.stream)) for one in going(found))


def to_data(found: Closure) -> list[dict[str, Any]]:
    """For the manifest: which stream holds what of which place."""
    return [
        {"root": part.root, "files": part.files, "size": part.size, "stream": one.stream}
        for one, part in zip(going(found), parts(found), strict=True)
    ]


def prove(vault: Vault, sealed: SealedBackup, copied: Sequence[Attached]) -> None:
    """The files, read back out of the store, beside what was copied.

    Raises:
        CannotProve: one would not come back as it is.
    """
    if copied:
        with vault.open(sealed.backup_id, sealed.sha256, sealed.manifest) as opened:
            for one in copied:
                one.store.prove(opened, one.stream, one.files)


def set_aside(backup_id: str, copied: Sequence[Attached]) -> None:
    """Ready to go, whatever happens now; raises as ``AttachmentStore.set_aside``."""
    for one in copied:
        one.store.set_aside(backup_id, one.files)


def put_back(backup_id: str, stores: Iterable[AttachmentStore]) -> None:
    """Whatever an attempt set aside goes back; raises as the stores do, after all were tried."""
    _each(stores, lambda store: store.put_back(backup_id))


def _each(stores: Iterable[AttachmentStore], act: Callable[[AttachmentStore], object]) -> None:
    """One place that is out of reach keeps none of the others waiting."""
    problem: CountersignError | None = None
    for store in stores:
        try:
            act(store)
        except CountersignError as error:
            problem = error
    if problem is not None:
        raise problem


def remove(backup_id: str, stores: Iterable[AttachmentStore]) -> Told | None:
    """After COMMIT: what was set aside goes for ever. What could not go, if anything."""
    problem = None
    for store in stores:
        try:
            left = store.remove(backup_id)
        except CountersignError:
            problem = Told("attached.not-removed", {"root": store.path})
            continue
        if left:
            problem = Told(store.words.left, {"root": store.path, "n": left})
    return problem


def roots_in(manifest: Manifest) -> tuple[str, ...]:
    """The places of which a backup holds something."""
    return tuple(str(one["root"]) for one in manifest.extra.get("attached", ()))


_IsOver = Callable[[str], bool]
_CameBack = Callable[[str], bool | None]


def clean(stores: Iterable[AttachmentStore], is_over: _IsOver, came_back: _CameBack) -> None:
    """Finish what a crash cut off and nobody took up again, by the id of the backup.

    ``is_over``: the deletion was committed and is done. ``came_back``: the last restore that is called
    so there was committed, or surely changed nothing; None: neither is sure.
    """
    _each(stores, lambda store: _cleaned(store, is_over, came_back))


def _cleaned(store: AttachmentStore, is_over: _IsOver, came_back: _CameBack) -> None:
    problem: CountersignError | None = None
    for operation in store.waiting():
        # One note that is not ours must not keep the others from being finished.
        try:
            _finish(store, operation, is_over, came_back)
        except CountersignError as error:
            problem = error
    if problem is not None:
        raise problem


def _finish(store: AttachmentStore, operation: str, is_over: _IsOver, came_back: _CameBack) -> None:
    if not operation.startswith(_BACK):
        if is_over(operation):
            store.remove(operation)
        return
    there = came_back(operation)
    if there is not None:
        (store.settled if there else store.unplace)(operation)


# The way back.


def operation_of(backup_id: str, whose: str = "") -> str:
    """What a restore of this backup is called in the quarantine.

    ``whose``: which restore it is; what one brought back must not go with another that fails.
    """
    digest = hashlib.sha256(whose.encode()).hexdigest()[:8]
    return f"{_BACK}{backup_id}-{digest}" if whose else f"{_BACK}{backup_id}"


def backup_of(operation: str) -> str | None:
    """The backup whose restore bears this name in the quarantine."""
    found = _RESTORE.fullmatch(operation)
    return found[1] if found else None


#: By folder, the files that rows name; None: all of a backup.
Named = Mapping[str, Collection[str]] | None


def named(session: Session, extra: Extra, attachments: Sequence[Attachment], wanted: Wanted) -> Named:
    """The files that the staged rows name, when not the whole backup was asked for."""
    if wanted.plain:
        return None
    found: dict[str, set[str]] = {one.root: set() for one in attachments}
    for one in attachments:
        shape = extra.shapes.get(one.place[0])
        names = [name for name, _, _ in shape.columns] if shape else []
        if shape is not None and one.place[1] in names:
            place, prefix = names.index(one.place[1]), one.prefix or ""
            values = (row[place] for row in session.staged(shape.name))
            found[one.root] |= {
                value.removeprefix(prefix)
                for value in values
                if isinstance(value, str) and value.startswith(prefix)
            }
    return found


def _only(store: AttachmentStore, named: Named) -> Collection[str] | None:
    return None if named is None else named.get(store.path, ())


def meet(
    opened: OpenedBackup,
    attachments: Sequence[Attachment],
    target: str,
    hash_key: bytes,
    named: Named = None,
    *,
    over: bool = True,
) -> tuple[tuple[FilesPart, ...], tuple[Told, ...]]:
    """What of a backup would come back, and what is to be told about the rest.

    ``over``: the deletion surely was committed, so that what it has not removed yet is as good as gone.

    Raises:
        CannotProve: something is there and different, or the place is configured no more.
        TargetDown: the place is not there.
    """
    found: list[FilesPart] = []
    there: list[Told] = []
    for store, stream in _streams(opened.manifest, attachments, target, hash_key):
        met = store.meet(opened, stream, opened.manifest.backup_id if over else "", _only(store, named))
        if met.different:
            raise CannotProve("attached.different", root=store.path, n=met.different)
        if met.identical:
            there.append(Told("told.files-there", {"root": store.path, "n": met.identical}))
        if met.missing:
            size = sum(one.size for one in met.missing)
            found.append(FilesPart(store.path, len(met.missing), size, _named(store, met.missing, hash_key)))
    return tuple(found), tuple(there)


def place(  # noqa: PLR0913 - a restore has this many parts
    opened: OpenedBackup,
    attachments: Sequence[Attachment],
    target: str,
    planned: Sequence[FilesPart],
    hash_key: bytes,
    named: Named = None,
    whose: str = "",
    *,
    over: bool = True,
) -> None:
    """Bring what is missing into its places; ``unplace`` takes it away again.

    ``whose``: as in ``operation_of``; ``over``: as in ``meet``.

    Raises:
        CannotProve: something stands in a place by now.
        TargetDown: the disk is full, or the machine refuses.
    """
    wanted = {part.root for part in planned}
    operation = operation_of(opened.manifest.backup_id, whose)
    deletion = opened.manifest.backup_id if over else ""
    for store, stream in _streams(opened.manifest, attachments, target, hash_key):
        if store.path in wanted:
            met = store.meet(opened, stream, deletion, _only(store, named))
            store.place(operation, opened, stream, {one.path for one in met.missing}, deletion)


def unplace(backup_id: str, stores: Iterable[AttachmentStore], whose: str = "") -> None:
    """A restore that was not committed takes its files away again; again: no harm."""
    _each(stores, lambda store: store.unplace(operation_of(backup_id, whose)))


def placed(backup_id: str, stores: Iterable[AttachmentStore], whose: str = "") -> None:
    """A restore was committed: its files stay; again: no harm. What is left, ``clean`` forgets."""
    with suppress(CountersignError):
        _each(stores, lambda store: store.settled(operation_of(backup_id, whose)))


def _streams(
    manifest: Manifest, attachments: Sequence[Attachment], target: str, hash_key: bytes
) -> Iterator[tuple[AttachmentStore, str]]:
    configured = {one.root: one for one in attachments}
    for one in manifest.extra.get("attached", ()):
        if one["root"] not in configured:
            raise CannotProve("attached.not-configured", root=str(one["root"]), target=target)
        yield store_of(configured[one["root"]], hash_key), str(one["stream"])
