"""A service under supervisor (supervisord.org), over its Unix socket; see ``bot.targets.system.Service``.

``stopProcess`` is also what keeps supervisor from starting a program again: after it, ``autorestart``
does not count. Only a restart of supervisor itself would start it, when ``autostart`` is on: that is
told.
"""

import http.client
import socket
import xmlrpc.client
from collections.abc import Sequence
from typing import Any

from bot.errors import CannotProve, TargetDown
from bot.targets import processes, stopping
from bot.targets.stopping import Patience
from bot.targets.system import AUTOSTART, Running, ServiceFacts

_STOPPING = 40
_STATES: dict[int, Running] = {
    0: "stopped",
    10: "starting",
    20: "running",
    30: "starting",
    _STOPPING: "running",
    100: "failed",
    200: "failed",
}
_NO_SUCH_PROGRAM = 10
_ALREADY_STARTED, _NOT_RUNNING = 60, 70


class SupervisorService:
    """One program of one supervisor.

    Args:
        name: what people call it.
        address: path of supervisor's Unix socket.
        program: its name there, ``group:program`` or ``program``.
        ports: TCP ports it must listen on when it runs.
        patience: how long everything may take.
    """

    def __init__(
        self,
        name: str,
        address: str,
        program: str,
        ports: Sequence[int] = (),
        patience: Patience = Patience(),  # noqa: B008 - frozen
    ) -> None:
        self._name = name
        self._address = address
        self._program = program
        self._ports = tuple(ports)
        self._patience = patience

    @property
    def name(self) -> str:
        """See ``Service``."""
        return self._name

    def look(self) -> ServiceFacts:
        """See ``Service``."""
        known = self._ask("getProcessInfo", self._program, missing=None)
        if known is None:
            return ServiceFacts(self._name, "away", (), self._ports, (), 0)
        state = _STATES.get(known["state"])
        if state is None:
            raise TargetDown("services.unclear", service=self._name)
        heads = [known["pid"]] if known["pid"] else []
        members = stopping.members(self._name, heads)
        listening, hidden = processes.ports_of(pid for pid, _ in members)
        return ServiceFacts(
            name=self._name,
            state=state,
            processes=members,
            ports=tuple(sorted({*self._ports, *listening})),
            restarted_by=self._restarted_by(),
            hidden=hidden,
            program=stopping.program(heads) if heads else (),
            silent=stopping.silent(self._ports),
        )

    def stop(self, former: ServiceFacts) -> ServiceFacts:
        """See ``Service``."""
        now = self.look()
        self._ask("stopProcess", self._program, False, missing=None, harmless=_NOT_RUNNING)
        known = {*former.processes, *now.processes}
        if not stopping.wait(self._is_down, self._patience.stop):
            raise CannotProve("services.does-not-stop", service=self._name)
        stopping.end(known, self._patience.stop)
        return stopping.stays_down(former, self.look, self._patience.watch)

    def verify(self, former: ServiceFacts) -> None:
        """See ``Service``."""
        stopping.stays_down(former, self.look, self._patience.watch)

    def start(self, former: ServiceFacts) -> ServiceFacts:
        """See ``Service``."""
        if not former.up:
            return self.look()
        if self.look().state == "away":
            raise CannotProve("services.away", service=self._name)
        if not stopping.wait(self._is_decided, self._patience.start):
            raise CannotProve("services.does-not-stop", service=self._name)
        self._ask("startProcess", self._program, False, harmless=_ALREADY_STARTED)
        return stopping.comes_up(former, self.look, self._patience.start)

    def _is_down(self) -> bool:
        known = self._ask("getProcessInfo", self._program, missing=None)
        return known is None or not known["pid"]

    def _is_decided(self) -> bool:
        """Whether nobody stops it any more: supervisor would kill it after saying that it is started."""
        known = self._ask("getProcessInfo", self._program, missing=None)
        return known is None or known["state"] != _STOPPING

    def _restarted_by(self) -> tuple[str, ...]:
        everything = self._ask("getAllConfigInfo")
        group, _, program = self._program.rpartition(":")
        for known in everything:
            if known["name"] == program and known["group"] == (group or program) and known["autostart"]:
                return (AUTOSTART,)
        return ()

    def _ask(self, method: str, *arguments: Any, missing: Any = TargetDown, harmless: int = 0) -> Any:
        """One call; ``missing`` is the answer when supervisor does not know the program.

        Raises:
            TargetDown: supervisor does not answer, or refuses.
        """
        transport = _SocketTransport(self._address, self._patience.answer)
        try:
            with xmlrpc.client.ServerProxy("http://supervisor", transport) as server:
                return getattr(server.supervisor, method)(*arguments)
        except xmlrpc.client.Fault as fault:
            if fault.faultCode == harmless:
                return None
            if fault.faultCode == _NO_SUCH_PROGRAM:
                if missing is not TargetDown:
                    return missing
                raise TargetDown("services.unknown", service=self._name) from None
            raise TargetDown("services.refused", service=self._name, code=fault.faultCode) from None
        except (OSError, http.client.HTTPException, xmlrpc.client.Error):
            raise TargetDown("services.no-answer", service=self._name) from None


class _SocketTransport(xmlrpc.client.Transport):
    """XML-RPC over a Unix socket, with an end to its patience."""

    def __init__(self, address: str, seconds: float) -> None:
        super().__init__()
        self._address = address
        self._seconds = seconds

    def make_connection(self, host: Any) -> http.client.HTTPConnection:
        connection = _SocketConnection(host, timeout=self._seconds)
        connection.address = self._address
        # Where the base class looks for what it has to close.
        self._connection = host, connection
        return connection


class _SocketConnection(http.client.HTTPConnection):
    address = ""

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        try:
            self.sock.connect(self.address)
        except OSError:
            self.sock.close()
            raise
