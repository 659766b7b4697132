"""What is wrong with the file: where, and what to write instead."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from bot.errors import BadInput
from bot.texts import DEFAULT_LANGUAGE, say

#: The way to a value: keys and positions from the top of the file.
Place = tuple[str | int, ...]


@dataclass(frozen=True)
class ConfigProblem:
    """One thing that is wrong. ``key`` and ``params`` make the sentence; no secret is ever among them."""

    file: str
    line: int | None
    key: str
    params: Mapping[str, str | int] = field(default_factory=dict)

    def sentence(self, language: str = DEFAULT_LANGUAGE) -> str:
        """File, line, what is wrong and what to write instead."""
        text = say(self.key, language, **self.params)
        if self.line is None:
            return text
        return say("config.at", language, file=self.file, line=self.line, text=text)


@dataclass(frozen=True)
class Finding(ConfigProblem):
    """Something about the policy that works as written, but hardly as meant."""


@dataclass(frozen=True)
class Source:
    """Where every value of the configuration stands in its file.

    ``clear_passwords`` are the targets whose URL holds a password that is no variable.
    """

    file: str = "countersign.yml"
    lines: Mapping[Place, int] = field(default_factory=dict)
    clear_passwords: frozenset[str] = frozenset()

    def line(self, place: Place) -> int | None:
        """The line of a value, or of the nearest thing around it."""
        for end in range(len(place), -1, -1):
            if place[:end] in self.lines:
                return self.lines[place[:end]]
        return None

    def problem(self, place: Place, key: str, /, **params: str | int) -> ConfigProblem:
        """A problem at a value."""
        return ConfigProblem(self.file, self.line(place), key, params)

    def finding(self, place: Place, key: str, /, **params: str | int) -> Finding:
        """A finding at a value."""
        return Finding(self.file, self.line(place), key, params)


class ConfigInvalid(BadInput):
    """The file cannot be used; ``problems`` holds all of it, in the order of the file."""

    def __init__(self, file: str, problems: Sequence[ConfigProblem]) -> None:
        super().__init__("config.invalid", file=file, n=len(problems))
        self.problems = tuple(problems)

    def sentences(self, language: str = DEFAULT_LANGUAGE) -> tuple[str, ...]:
        """One sentence for each problem."""
        return tuple(problem.sentence(language) for problem in self.problems)


def spoken(place: Place) -> str:
    """A place as people read it: ``targets.crm.records``."""
    return ".".join(part for part in place if isinstance(part, str))
