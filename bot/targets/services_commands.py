"""A service behind commands that the configuration declares; see ``bot.targets.system.Service``.

``status`` answers as init scripts do: 0 it runs, 3 it does not; anything else is no answer. Commands are
lists of words, run without a shell, with an empty environment but for a plain PATH.
"""

import os
import signal
import subprocess
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

from bot.errors import CannotProve, TargetDown
from bot.targets import processes, stopping
from bot.targets.stopping import Patience
from bot.targets.system import Running, ServiceFacts

_ENVIRONMENT = {"LC_ALL": "C", "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}
#: The first process of a machine.
_FIRST = 1
_STATES: dict[int, Running] = {0: "running", 3: "stopped"}


@dataclass(frozen=True)
class Commands:
    """What to run."""

    start: Sequence[str]
    stop: Sequence[str]
    status: Sequence[str]


class CommandService:
    """One service; its processes are those that listen on its ports, and what belongs to them."""

    def __init__(
        self,
        name: str,
        commands: Commands,
        ports: Sequence[int],
        patience: Patience = Patience(),  # noqa: B008 - frozen
    ) -> None:
        self._name = name
        self._commands = commands
        self._ports = tuple(ports)
        self._patience = patience

    @property
    def name(self) -> str:
        """See ``Service``."""
        return self._name

    def look(self) -> ServiceFacts:
        """See ``Service``."""
        state = _STATES.get(self._run(self._commands.status, self._patience.answer))
        if state is None:
            raise TargetDown("services.unclear", service=self._name)
        # systemd may hold the port open for it; what systemd started is the whole machine.
        heads = processes.owners(self._ports) - {_FIRST}
        members = stopping.members(self._name, heads)
        program = stopping.program(heads) if heads else ()
        silent = stopping.silent(self._ports)
        return ServiceFacts(self._name, state, members, self._ports, (), 0, program, silent)

    def stop(self, former: ServiceFacts) -> ServiceFacts:
        """See ``Service``."""
        known = {*former.processes, *self.look().processes}
        code = self._run(self._commands.stop, self._patience.stop)
        if code:
            raise TargetDown("services.refused", service=self._name, code=code)
        if known:
            stopping.end(known, self._patience.stop)
        self._until_told(known)
        return stopping.stays_down(former, self.look, self._patience.watch)

    def verify(self, former: ServiceFacts) -> None:
        """See ``Service``."""
        stopping.stays_down(former, self.look, self._patience.watch)

    def start(self, former: ServiceFacts) -> ServiceFacts:
        """See ``Service``."""
        now = self.look()
        if not former.up:
            return now
        if now.state == "running" and stopping.silent(self._ports):
            # On its way up, or on its way out after a stop: that one must not be taken for running.
            stopping.wait(self._is_decided, self._patience.start)
            now = self.look()
        if now.state != "running":
            code = self._run(self._commands.start, self._patience.start)
            if code:
                raise TargetDown("services.refused", service=self._name, code=code)
        return stopping.comes_up(former, self.look, self._patience.start)

    def _until_told(self, known: set[stopping.Known]) -> None:
        """Wait until its status says what is so: it may be behind what it stopped.

        Raises:
            CannotProve: it goes on saying that it runs.
        """

        def is_told() -> bool:
            now = self.look()
            return now.state == "stopped" or not known.issuperset(now.processes)

        if not stopping.wait(is_told, self._patience.stop):
            raise CannotProve("services.does-not-stop", service=self._name)

    def _is_decided(self) -> bool:
        return not stopping.silent(self._ports) or self.look().state != "running"

    def _run(self, command: Sequence[str], seconds: float) -> int:
        try:
            with subprocess.Popen(  # noqa: S603 - declared in the configuration, no shell
                command,
                env=_ENVIRONMENT,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            ) as running:
                try:
                    return running.wait(seconds)
                except subprocess.TimeoutExpired:
                    # With what it started: a stop that goes on later would stop what was put back.
                    with suppress(ProcessLookupError):
                        os.killpg(running.pid, signal.SIGKILL)
                    raise TargetDown("services.no-answer", service=self._name) from None
        except OSError:
            raise TargetDown("services.no-command", service=self._name) from None
