"""What a measurement looks like, on the screen and in the file."""

import json
import os
import platform
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table


@dataclass(frozen=True)
class Figure:
    """One measurement. ``ratio`` is ours over the peer's; ``aim`` says what it should be, in words."""

    name: str
    ours: float
    unit: str
    peer_name: str = ""
    peer: float | None = None
    aim: str = ""
    met: bool | None = None

    @property
    def ratio(self) -> float | None:
        """Ours over the peer's."""
        return self.ours / self.peer if self.peer else None


def machine() -> Mapping[str, str | int]:
    """What it ran on."""
    model = next(
        (
            line.partition(":")[2].strip()
            for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
            if line.startswith("model name")
        ),
        platform.machine(),
    )
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return {
        "processor": model,
        "cores": os.cpu_count() or 0,
        "memory_gib": round(memory / 2**30),
        "system": platform.platform(terse=True),
        "python": platform.python_version(),
    }


def show(figures: Sequence[Figure]) -> None:
    """A table for people."""
    table = Table(title=" · ".join(f"{name} {value}" for name, value in machine().items()))
    for heading in ("what", "Countersign", "peer", "ratio", "aim", ""):
        table.add_column(heading)
    for one in figures:
        peer = f"{one.peer:,.3g} {one.unit} ({one.peer_name})" if one.peer is not None else ""
        verdict = "" if one.met is None else "met" if one.met else "MISSED"
        ratio = "" if one.ratio is None else f"{one.ratio:.2f}"
        table.add_row(one.name, f"{one.ours:,.4g} {one.unit}", peer, ratio, one.aim, verdict)
    Console(width=150).print(table)


def save(figures: Sequence[Figure], path: Path) -> None:
    """The same as JSON."""
    rows = [{**asdict(one), "ratio": one.ratio} for one in figures]
    text = json.dumps({"machine": machine(), "figures": rows}, indent=2, ensure_ascii=False)
    path.write_text(text + "\n", encoding="utf-8")
