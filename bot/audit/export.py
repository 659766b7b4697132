"""The log as a file of JSON lines that a stranger can check with nothing else: pure."""

import json
from collections.abc import Iterable, Iterator, Sequence

from bot.audit.chain import Entry, Finding, Report, SignedHead, verify

_FORMAT = "countersign-audit-export-v1"


def export_lines(entries: Sequence[Entry], heads: Sequence[SignedHead]) -> Iterator[str]:
    """The lines of an export, without line ends: a heading with the counts, the entries, the signed heads."""
    yield _line({"format": _FORMAT, "entries": len(entries), "heads": len(heads)})
    for entry in entries:
        yield _line({"seq": entry.seq, "prev": entry.prev, "hash": entry.hash, "entry": entry.entry})
    for head in heads:
        yield _line({"head": head.seq, "hash": head.hash, "signature": head.signature})


def verify_export(lines: Iterable[str], head: str | None, public_key: str | None = None) -> Report:
    """Check an export. A line that an export would not hold is a problem like any other.

    Raises:
        BadInput: ``head`` is not ``seq:hash``.
    """
    entries: list[Entry] = []
    heads: list[SignedHead] = []
    problems: list[Finding] = []
    counts: tuple[int, int] | None = None
    for number, line in enumerate(lines, start=1):
        match _read(line.removesuffix("\n")):
            case Entry() as entry:
                entries.append(entry)
            case SignedHead() as signed:
                heads.append(signed)
            case (int(), int()) as told if counts is None and number == 1:
                counts = told
            case _:
                problems.append(Finding("audit.line", -1, {"line": number}))
    if counts != (len(entries), len(heads)):
        problems.append(Finding("audit.incomplete", -1))
    report = verify(entries, heads, public_key, head)
    return Report(
        report.entries, report.head, report.signed_until, (*problems, *report.problems), report.notes
    )


def _line(value: dict[str, object]) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def _read(line: str) -> Entry | SignedHead | tuple[int, int] | None:
    try:
        value = json.loads(line)
        if not isinstance(value, dict) or _line(value) != line:
            return None
    except (ValueError, RecursionError):
        return None
    match value:
        case {"seq": int(seq), "prev": str(prev), "hash": str(digest), "entry": str(entry), **rest}:
            return None if rest else Entry(seq, prev, digest, entry)
        case {"head": int(seq), "hash": str(digest), "signature": str(signature), **rest}:
            return None if rest else SignedHead(seq, digest, signature)
        case {"format": str(name), "entries": int(entries), "heads": int(heads), **rest}:
            return (entries, heads) if name == _FORMAT and not rest else None
    return None
