"""``make real-systems``: raise, configure, delete, restore, compare; writes docs/real-systems.md."""

import argparse
import os
import pickle
import shutil
import subprocess
import tempfile
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import typer

from tests.real import checks, page, second_opinion, systems
from tests.real.loop import hidden, looked, try_all
from tests.real.page import Run


def main() -> None:
    """One system after the other; what fails is told in the page, and the rest goes on."""
    arguments = argparse.ArgumentParser(prog="python -m tests.real")
    arguments.add_argument("--only", default="", help="systems, with a comma between them")
    arguments.add_argument("--engines", default="", help="only on these: pg, maria, sqlite")
    arguments.add_argument("--most", type=int, default=5, help="records of each kind")
    arguments.add_argument(
        "--standing", action="store_true", help="take the systems as an earlier run left them"
    )
    arguments.add_argument("--work", type=Path, default=Path(tempfile.gettempdir()) / "real-systems")
    arguments.add_argument("--page", type=Path, default=Path("docs/real-systems.md"))
    chosen = arguments.parse_args()
    chosen.work.mkdir(parents=True, exist_ok=True)
    variables = systems.servers(chosen.work)
    try:
        # What was measured stays, whatever comes after: a single system can be tried again.
        for run in _all(_pairs(chosen.only, chosen.engines), variables, chosen):
            (chosen.work / f"{run.name}-{run.engine}.run").write_bytes(pickle.dumps(run))
    finally:
        systems.stop(chosen.work)
    kept = (
        chosen.work / f"{name}-{engine}.run"
        for name, engines in systems.ENGINES.items()
        for engine in engines
    )
    known = [pickle.loads(file.read_bytes()) for file in kept if file.exists()]
    chosen.page.write_text(page.written(known, datetime.now(UTC)), encoding="utf-8")


def _pairs(names: str, engines: str) -> Iterator[tuple[str, str]]:
    """Systems with each of their engines; those that were asked for."""
    for name, its in systems.ENGINES.items():
        for engine in its:
            if name in (names or name).split(",") and engine in (engines or engine).split(","):
                yield name, engine


def _all(
    pairs: Iterable[tuple[str, str]], variables: dict[str, str], chosen: argparse.Namespace
) -> Iterator[Run]:
    for name, engine in pairs:
        run = Run(name, engine)
        try:
            _one(run, variables, chosen)
        except subprocess.CalledProcessError:
            run.failed = "its own script could not raise it here"
        except checks.NotAskedError as error:
            run.failed = f"its own programs could not be asked here: {error}"
        typer.echo(page.line(run))
        yield run


def _one(run: Run, variables: dict[str, str], chosen: argparse.Namespace) -> None:
    work: Path = chosen.work
    raised = systems.standing if chosen.standing else systems.raised
    system = raised(run.name, run.engine, variables, work)
    run.seconds = system.seconds
    folder = work / "configurations"
    folder.mkdir(exist_ok=True)
    run.look, spec, target, text = looked(system.url, folder)
    (folder / f"{run.name}-{run.engine}.yml").write_text(text, encoding="utf-8")
    run.named = hidden(system.url) if run.look.keys else None
    ask = checks.of(system, variables)
    run.tried = [*try_all(spec, target, system.url, chosen.most, ask)]
    if run.name == "rt" and run.engine == "pg" and shutil.which("rt-shredder-5"):
        run.opinions = [*second_opinion.asked(spec, target, system, {**os.environ, **variables})]


if __name__ == "__main__":
    main()
