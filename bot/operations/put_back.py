"""*Put it back*: during the grace period everything returns as it was, within seconds.

The other way round than it went: holdings first, then services in reverse order, then the checks that
belong to it must answer. Every step may be repeated.
"""

from bot.errors import Broken
from bot.operations import set_aside, uninstall
from bot.operations.gate import Gate
from bot.operations.set_aside import Journal
from bot.targets.system import System

STEPS = ("step.put-back", "step.answers")


def run(operation: str, system: System, gate: Gate, journal: Journal) -> None:
    """Return everything. ``journal`` is that of the job which set it aside.

    Raises:
        Broken: a part does not come back, or a check does not answer; the sentence says which.
    """
    with gate.step("step.put-back"):
        uninstall.settle(operation, system, journal)
        set_aside.undo(operation, system, journal)
    with gate.step("step.answers"):
        for check in system.checks:
            if not check.probe().well:
                raise Broken("undo.silent", name=check.name)
