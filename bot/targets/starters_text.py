"""Whether a line of cron or a unit of systemd would start a service again. Pure.

Paths count as a whole (``/srv/crm`` is not named by ``/srv/crm-new``), names of units and programs only in a
line that starts something with ``systemctl``, ``service`` or ``supervisorctl``. Comments never count.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

_PATH = re.compile(r"(?<![\w./-])/[\w.@+-]+(?:/[\w.@+-]+)+")
#: Programs and places of everybody: that a line names them says nothing about whom it starts.
_COMMON = re.compile(r"/(?:usr/(?:local/)?)?s?bin/|/(?:dev|proc|sys|run|tmp|etc/init\.d)/")
_BY_SYSTEMD = re.compile(
    r"\bsystemctl\b(?P<words>[^|;&\n]*)|\b(?:service|rc-service|invoke-rc\.d)\s+(?P<one>[\w@.-]+)"
)
_BY_INIT = re.compile(r"/etc/init\.d/(?P<one>[\w.-]+)")
_BY_SUPERVISOR = re.compile(r"\bsupervisorctl\b[^|;&\n]*?\b(?:re)?start\b(?P<words>[^|;&\n]*)")
_UNIT_ENDS = (".service", ".socket", ".timer", ".path", ".target")
_TRIGGERS = re.compile(r"^\s*(?:Unit|Service)\s*=\s*(\S+)\s*$", re.MULTILINE)
_RESTART = re.compile(r"^\s*Restart\s*=\s*(\S+)\s*$", re.MULTILINE)


@dataclass(frozen=True)
class Needles:
    """What services are known by: ``paths`` of parts, ``units`` of systemd, ``programs`` of supervisor."""

    paths: tuple[str, ...] = ()
    units: tuple[str, ...] = ()
    programs: tuple[str, ...] = ()

    def with_commands(self, commands: Iterable[Sequence[str]]) -> "Needles":
        """Those of declared commands besides: paths of their own in them, units that they start and stop."""
        text = "\n".join(" ".join(words) for words in commands)
        paths = [one for one in _PATH.findall(text) if not _COMMON.match(one)]
        units = [unit for line in text.splitlines() for unit in _units(line)]
        return Needles(
            tuple(dict.fromkeys([*self.paths, *paths])),
            tuple(dict.fromkeys([*self.units, *units])),
            self.programs,
        )

    def named_in(self, content: str) -> bool:
        """Whether a line of a crontab, a script or a unit would start it, or works with what is its own."""
        return any(self._line(line) for line in content.splitlines() if not re.match(r"\s*[#;]", line))

    def is_unit(self, name: str) -> bool:
        """Whether a unit is one that the commands start."""
        return _whole(name) in {_whole(one) for one in self.units}

    def _line(self, line: str) -> bool:
        if any(re.search(rf"(?<![\w.-]){re.escape(one)}(?!\.?[\w-])", line) for one in self.paths):
            return True
        wanted = {_whole(one) for one in self.units}
        if wanted & {_whole(one) for one in _units(line)}:
            return True
        started = {word for found in _BY_SUPERVISOR.finditer(line) for word in found["words"].split()}
        mine = {
            name
            for one in self.programs
            for name in (one, one.rpartition(":")[2], f"{one.partition(':')[0]}:*")
        }
        return bool(self.programs) and bool(started & {*mine, "all"})


def triggered_by(name: str, content: str) -> str:
    """The unit that a timer, a socket or a path starts: the one it says, else the one of its own name."""
    said = _TRIGGERS.findall(content)
    return said[-1] if said else f"{name.rpartition('.')[0]}.service"


def is_restarted(content: str) -> bool:
    """Whether systemd starts a unit again when it ends without having been asked to stop it."""
    said = _RESTART.findall(content)
    return bool(said) and said[-1] != "no"


def _units(line: str) -> list[str]:
    found = []
    for match in _BY_SYSTEMD.finditer(line):
        words = (match["words"] or match["one"] or "").split()
        if match["one"] or any(word.endswith(("start", "enable", "stop")) for word in words):
            found += [word for word in words if re.fullmatch(r"[\w@.-]+", word) and not word.startswith("-")]
    found += [match["one"] for match in _BY_INIT.finditer(line)]
    return [one for one in found if one not in ("start", "stop", "restart", "enable", "try-restart")]


def _whole(unit: str) -> str:
    return unit if unit.endswith(_UNIT_ENDS) else f"{unit}.service"
