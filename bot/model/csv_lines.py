"""The CSV of an archive as lines of bytes: ``docs/backup-format.md`` says what a line is. Pure.

A block is a list of whole lines, each with its end. A block goes through many hands; a line is touched as
seldom as can be.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import cast

from bot.model.backups import Cell

Block = list[bytes]

#: A cell; possessive, so that a cell cut by the end of the buffer costs one scan.
_CELL = rb'(?:"[^"]*+(?:""[^"]*+)*+")?+'
#: The same with the inside as a group; one that took no part is NULL.
_INSIDE = r'(?:"([^"]*+(?:""[^"]*+)*+)")?+'
_FIRST = re.compile(rb"(" + _CELL + rb"(?:," + _CELL + rb")*+)\n")
_QUOTED = re.compile(rb'"[^"]*+"')


@dataclass(frozen=True)
class TextRows:
    """Rows of one width whose values are all texts: one by one, or as blocks. Either way they come once.

    Args:
        each: begins to hand out rows.
        blocks: begins to hand out blocks; whoever takes them lets nothing else happen in between.
    """

    each: Callable[[], Iterator[tuple[Cell, ...]]]
    blocks: Callable[[], Iterator[Block]]

    def __iter__(self) -> Iterator[tuple[Cell, ...]]:
        return self.each()


def write_row(cells: Sequence[Cell]) -> str:
    """One line, with its end."""
    if None not in cells:
        # Nearly every row has no quote in a cell either: one text, looked at once.
        text = '","'.join(cast("Sequence[str]", cells))
        if cells and text.count('"') == 2 * len(cells) - 2:
            return f'"{text}"\n'
    return ",".join(["" if cell is None else '"' + cell.replace('"', '""') + '"' for cell in cells]) + "\n"


def first_width(buffer: bytes) -> int | None:
    """How many cells the first line has; None when there is no whole line at the beginning."""
    found = _FIRST.match(buffer)
    return None if found is None else 1 + _QUOTED.sub(b"", found[1]).count(b",")


def split(buffer: bytes, width: int) -> Block:
    """The whole lines of that width with which the buffer begins, up to anything else."""
    lines: Block = _lines(width).findall(buffer)
    if lines and not lines[-1]:
        lines.pop()
    return lines


def cells_of(blocks: Iterable[Block], width: int) -> Iterator[tuple[Cell, ...]]:
    """The cells of lines that ``split`` has found."""
    pattern = _insides(width)
    for lines in blocks:
        text = b"".join(lines).decode()
        for found in pattern.finditer(text):
            cells = found.groups()
            yield cells if text.find('""', *found.span()) < 0 else _unquoted(cells)


def only(rows: TextRows, width: int, places: Sequence[int]) -> TextRows:
    """The same rows with these of their cells only, in this order."""
    blocks = _picked(rows.blocks(), width, places)
    return TextRows(lambda: cells_of(blocks, len(places)), lambda: blocks)


def _picked(blocks: Iterator[Block], width: int, places: Sequence[int]) -> Iterator[Block]:
    pattern, order = _chosen(width, tuple(places))
    for lines in blocks:
        found = pattern.findall(b"".join(lines))
        if len(places) == 1:
            yield [cell + b"\n" for cell in found]
        elif order == sorted(order):
            yield [b",".join(cells) + b"\n" for cells in found]
        else:
            yield [b",".join([cells[place] for place in order]) + b"\n" for cells in found]


@lru_cache(maxsize=64)
def _lines(width: int) -> re.Pattern[bytes]:
    # The other branch takes whatever is left, so that nothing is looked for behind it.
    return re.compile(rb"(" + rb",".join([_CELL] * width) + rb"\n)|[\s\S]++")


@lru_cache(maxsize=64)
def _insides(width: int) -> re.Pattern[str]:
    return re.compile(",".join([_INSIDE] * width) + r"\n")


@lru_cache(maxsize=64)
def _chosen(width: int, places: tuple[int, ...]) -> tuple[re.Pattern[bytes], list[int]]:
    """A line with the chosen cells as groups, and which group stands at which place."""
    cells = [b"(" + _CELL + b")" if place in places else _CELL for place in range(width)]
    ordered = sorted(places)
    return re.compile(b",".join(cells) + rb"\n"), [ordered.index(place) for place in places]


def _unquoted(cells: tuple[Cell, ...]) -> tuple[Cell, ...]:
    return tuple([cell.replace('""', '"') if cell is not None and '"' in cell else cell for cell in cells])
