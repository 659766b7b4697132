"""The files that rows name, beside a deletion: found, copied, set aside before COMMIT, removed after it.

Rows are the truth. Until COMMIT everything can be put back by what lies in the quarantine itself; after it,
removing goes on wherever it was cut off. A file that a row outside the closure names too stays where it is.
"""

import hashlib
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from bot.backups.vault import OpenedBackup, Sealing, Vault
from bot.config.record_types import Attachment
from bot.errors import CannotProve, CountersignError
from bot.model.backups import Manifest, SealedBackup
from bot.model.plans import FilesPart, Told, hash_marks, marks
from bot.operations.archived import Extra
from bot.operations.gate import Wanted
from bot.operations.preflight import Closure, Ground, find_table
from bot.targets import attachment_copies
from bot.targets.attachments import Attached, FileRoot
from bot.targets.base import Edge, Need, Session
from bot.targets.entries import Entry

_BACK = "back-"
_RESTORE = re.compile(_BACK + "(b[0-9]{8}-[0-9a-z]{10})(?:-[0-9a-f]{8})?")
STEPS = {
    "step.commit": ("step.files-aside", "step.commit"),
    "step.verify": ("step.verify", "step.files-remove"),
}


def steps(plain: Sequence[str], files: Sequence[FilesPart]) -> tuple[str, ...]:
    """The steps of a deletion, with those for files when there are any."""
    if not files:
        return tuple(plain)
    return tuple(step for name in plain for step in STEPS.get(name, (name,)))


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
    root = FileRoot(here[0].root)
    seen = root.look(name.removeprefix(prefix) for name in wanted - shared)
    named = hash_marks(hash_key, marks(hash_key, f"file in {root.path}", ((one.path,) for one in seen.files)))
    return Attached(root, seen.files, named, missing=seen.missing, odd=seen.odd + odd, shared=len(shared))


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
        FilesPart(one.root.path, len(one.files), sum(file.size for file in one.files), one.names)
        for one in found.attached
        if one.files
    )


def told(found: Closure) -> tuple[Told, ...]:
    """What stays, or is not there."""
    counts = [
        (key, one.root.path, n)
        for one in found.attached
        for key, n in (
            ("told.files-missing", one.missing),
            ("told.files-shared", one.shared),
            ("told.files-odd", one.odd),
        )
    ]
    return tuple(Told(key, {"root": root, "n": n}) for key, root, n in counts if n)


def copy(found: Closure, sealing: Sealing) -> tuple[Attached, ...]:
    """Every file into the archive; raises as ``attachment_copies.copy``."""
    return tuple(
        replace(one, files=attachment_copies.copy(one.root, one.files, sealing, one.stream))
        for one in found.attached
        if one.files
    )


def to_data(found: Closure) -> list[dict[str, Any]]:
    """For the manifest: which stream holds the files of which folder."""
    return [
        {"root": part.root, "files": part.files, "size": part.size, "stream": one.stream}
        for one, part in zip([one for one in found.attached if one.files], parts(found), strict=True)
    ]


def prove(vault: Vault, sealed: SealedBackup, copied: Sequence[Attached]) -> None:
    """The files, read back out of the store, beside what was copied.

    Raises:
        CannotProve: one would not come back as it is.
    """
    if copied:
        with vault.open(sealed.backup_id, sealed.sha256, sealed.manifest) as opened:
            for one in copied:
                attachment_copies.prove(opened, one.stream, one.files)


def set_aside(backup_id: str, copied: Sequence[Attached]) -> None:
    """Out of everybody's reach; raises as ``FileRoot.set_aside``."""
    for one in copied:
        one.root.set_aside(backup_id, one.files)


def put_back(backup_id: str, roots: Iterable[str]) -> None:
    """Whatever an attempt set aside goes back; raises as ``FileRoot.put_back``, after all were tried."""
    problem: CountersignError | None = None
    for root in roots:
        try:
            FileRoot(root).put_back(backup_id)
        except CountersignError as error:
            problem = error
    if problem is not None:
        raise problem


def remove(backup_id: str, roots: Iterable[str]) -> Told | None:
    """After COMMIT: what was set aside goes for ever. What could not go, if anything."""
    problem = None
    for root in roots:
        try:
            left = FileRoot(root).remove(backup_id)
        except CountersignError:
            problem = Told("attached.not-removed", {"root": root})
            continue
        if left:
            problem = Told("attached.left", {"root": root, "n": left})
    return problem


def roots_in(manifest: Manifest) -> tuple[str, ...]:
    """The folders whose files a backup holds."""
    return tuple(str(one["root"]) for one in manifest.extra.get("attached", ()))


def clean(
    attachments: Iterable[Attachment], is_over: Callable[[str], bool], is_void: Callable[[str], bool]
) -> None:
    """Finish what a crash cut off and nobody took up again, by the id of the backup.

    ``is_over``: the deletion was committed and is done. ``is_void``: the last restore that is called so there
    surely changed nothing.
    """
    for root in sorted({one.root for one in attachments}):
        for operation in FileRoot(root).waiting():
            if operation.startswith(_BACK):
                if is_void(operation):
                    attachment_copies.unplace(FileRoot(root), operation)
            elif is_over(operation):
                FileRoot(root).remove(operation)


# The way back.


def operation_of(backup_id: str, elsewhere: str = "") -> str:
    """What a restore of this backup is called in the quarantine.

    ``elsewhere``: the system it goes into, when that is another one. Two restores at a time may share a root.
    """
    digest = hashlib.sha256(elsewhere.encode()).hexdigest()[:8]
    return f"{_BACK}{backup_id}-{digest}" if elsewhere else f"{_BACK}{backup_id}"


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


def _wanted(files: Iterable[Entry], root: FileRoot, named: Named) -> list[Entry]:
    return [one for one in files if named is None or one.path in named.get(root.path, ())]


def meet(
    opened: OpenedBackup,
    attachments: Sequence[Attachment],
    target: str,
    hash_key: bytes,
    named: Named = None,
) -> tuple[tuple[FilesPart, ...], tuple[Told, ...]]:
    """The files of a backup that would come back, and what is to be told about the others.

    Raises:
        CannotProve: a file is there and different, or the folder is configured no more.
        TargetDown: the folder is not there.
    """
    found: list[FilesPart] = []
    there: list[Told] = []
    for root, stream in _streams(opened.manifest, attachments, target):
        met = attachment_copies.meet(root, _wanted(attachment_copies.listed(opened, stream), root, named))
        if met.different:
            raise CannotProve("attached.different", root=root.path, n=met.different)
        if met.identical:
            there.append(Told("told.files-there", {"root": root.path, "n": met.identical}))
        if met.missing:
            names = hash_marks(
                hash_key, marks(hash_key, f"file in {root.path}", ((one.path,) for one in met.missing))
            )
            size = sum(one.size for one in met.missing)
            found.append(FilesPart(root.path, len(met.missing), size, names))
    return tuple(found), tuple(there)


def place(
    opened: OpenedBackup,
    attachments: Sequence[Attachment],
    target: str,
    planned: Sequence[FilesPart],
    named: Named = None,
    elsewhere: str = "",
) -> None:
    """Bring the missing files into their places; ``unplace`` takes them away again.

    ``elsewhere``: as in ``operation_of``.

    Raises:
        CannotProve: something stands in a place by now.
        TargetDown: the disk is full, or the machine refuses.
    """
    wanted = {part.root for part in planned}
    for root, stream in _streams(opened.manifest, attachments, target):
        if root.path in wanted:
            files = attachment_copies.listed(opened, stream)
            met = attachment_copies.meet(root, _wanted(files, root, named))
            missing = {one.path for one in met.missing}
            operation = operation_of(opened.manifest.backup_id, elsewhere)
            attachment_copies.place(root, operation, opened, stream, files, missing)


def unplace(backup_id: str, planned: Iterable[FilesPart], elsewhere: str = "") -> None:
    """A restore that was not committed takes its files away again; again: no harm."""
    for part in planned:
        attachment_copies.unplace(FileRoot(part.root), operation_of(backup_id, elsewhere))


def placed(backup_id: str, planned: Iterable[FilesPart], elsewhere: str = "") -> None:
    """A restore was committed: its files stay; again: no harm."""
    for part in planned:
        attachment_copies.settled(FileRoot(part.root), operation_of(backup_id, elsewhere))


def _streams(
    manifest: Manifest, attachments: Sequence[Attachment], target: str
) -> Iterator[tuple[FileRoot, str]]:
    configured = {one.root for one in attachments}
    for one in manifest.extra.get("attached", ()):
        if one["root"] not in configured:
            raise CannotProve("attached.not-configured", root=str(one["root"]), target=target)
        yield FileRoot(one["root"]), str(one["stream"])
