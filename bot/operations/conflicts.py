"""What stands between a backup and its return: live rows, parents, unique values. Counts only."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from bot.errors import CannotProve
from bot.model.choices import LinkClasses, Mode, RestorePreview, RowClasses
from bot.model.row_keys import Key
from bot.operations.archived import Extra, Link, Shape
from bot.operations.compare import link_state, same_row
from bot.targets.base import Row, Session


class Conflict(CannotProve):
    """The restore would have to overwrite or guess. ``preview`` has all the counts, and so has the sentence.

    ``choices`` among its parameters: what could be chosen instead, with commas.
    """

    def __init__(self, key: str, preview: RestorePreview, **params: str | int) -> None:
        super().__init__(key, **params, classes=preview.told(), choices=",".join(preview.choices))
        self.preview = preview


@dataclass(frozen=True)
class Meeting:
    """A staged backup beside the live tables.

    ``missing`` and ``empty`` are the keys of rows that would come back, by table, and of links that would be
    put back, by label; ``different`` those of rows that are there and not as they were.
    """

    preview: RestorePreview
    missing: Mapping[str, tuple[Key, ...]]
    empty: Mapping[str, tuple[Key, ...]]
    different: Mapping[str, tuple[Key, ...]]

    @property
    def coming(self) -> Mapping[str, tuple[Key, ...]]:
        """The keys of all that would change, by table and by label."""
        both = {name: (*keys, *self.different[name]) for name, keys in self.missing.items()}
        return {**both, **self.empty}


def meet(session: Session, extra: Extra, mode: Mode = Mode.FAIL) -> Meeting:
    """Compare the staged backup with the live rows. What is overwritten may lack a parent or clash, too."""
    edges = [*session.catalogue().edges, *(session.check(edge) for edge in extra.softs)]
    tables, links = [], []
    missing: dict[str, tuple[Key, ...]] = {}
    empty: dict[str, tuple[Key, ...]] = {}
    different: dict[str, tuple[Key, ...]] = {}
    for name, shape in extra.shapes.items():
        counts, missing[name], different[name] = _rows(session, shape)
        downward = [edge for edge in edges if edge.child == name]
        orphans: Counter[str] = Counter()
        for edge in downward if missing[name] else ():
            orphans[edge.label] += session.orphans(edge, name)
        clashing = session.clashes(name) if missing[name] else 0
        written = set(different[name]) if mode is Mode.OVERWRITE else set()
        for edge in downward if written else ():
            orphans[edge.label] += len(written & set(session.orphaned(edge, name)))
        clashing += len(written & set(session.clashing(name))) if written else 0
        without = [count - extra.loose.get(label, 0) for label, count in orphans.items()]
        parentless = sum(count for count in without if count > 0)
        tables.append(RowClasses(name, *counts, parentless, clashing))
    for label, link in extra.links.items():
        counts_of, empty[label] = _links(session, link)
        links.append(LinkClasses(label, **counts_of))
    return Meeting(RestorePreview(tuple(tables), tuple(links)), missing, empty, different)


def refuse_conflicts(target: str, preview: RestorePreview, mode: Mode = Mode.FAIL) -> None:
    """Nothing is overwritten unless that was asked for, and nothing guessed.

    Raises:
        Conflict: the first thing in the way, with its table or link and count.
    """
    for table in preview.tables:
        for key, count in (
            ("restore.different", 0 if mode is Mode.OVERWRITE else table.different),
            ("restore.parentless", table.parentless),
            ("restore.clashing", table.clashing),
        ):
            if count:
                raise Conflict(key, preview, target=target, table=table.table, n=count)
    for link in preview.links:
        if link.different:
            raise Conflict("restore.link-different", preview, target=target, link=link.link, n=link.different)


def _rows(session: Session, shape: Shape) -> tuple[tuple[int, int, int], tuple[Key, ...], tuple[Key, ...]]:
    places = [[name for name, _, _ in shape.columns].index(name) for name in shape.key]
    identical = 0
    missing: list[Key] = []
    different: list[Key] = []
    for backed_up, live in session.pairs(shape.name):
        if live is None:
            missing.append(_cells(backed_up, places))
        elif same_row(backed_up, live):
            identical += 1
        else:
            different.append(_cells(backed_up, places))
    return (len(missing), identical, len(different)), tuple(missing), tuple(different)


def _links(session: Session, link: Link) -> tuple[dict[str, int], tuple[Key, ...]]:
    counts = {"empty": 0, "identical": 0, "different": 0, "gone": 0}
    empty: list[Key] = []
    for backed_up, live in session.pairs(link.label):
        state = link_state(link.key, backed_up, live, link.heir)
        counts[state] += 1
        if state == "empty":
            empty.append(backed_up[: link.key])
    return counts, tuple(empty)


def _cells(row: Row, places: Iterable[int]) -> Key:
    return tuple(row[place] for place in places)
