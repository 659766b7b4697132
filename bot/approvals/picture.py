"""The picture of the states, drawn from the two tables that decide. Pure."""

from collections.abc import Mapping
from enum import StrEnum
from typing import TypeVar

from bot.approvals.states import JOB, REQUEST
from bot.model.jobs import JobState
from bot.model.requests import State

_State = TypeVar("_State", bound=StrEnum)


def page() -> str:
    """``docs/states.md``, whole; a test holds the file against it."""
    return "\n".join(
        [
            "# The states of a request and of its job",
            "",
            "Drawn from the tables in `bot/approvals/states.py` by `bot/approvals/picture.py`; nothing else",
            "changes a state. An arrow that is not here raises and changes nothing.",
            "",
            "## A request",
            "",
            *_drawing(REQUEST, State.PLANNING),
            "",
            "## A job",
            "",
            *_drawing(JOB, JobState.QUEUED),
            "",
        ]
    )


def _drawing(table: Mapping[_State, Mapping[str, _State]], first: _State) -> list[str]:
    names = {state: str(state).replace("-", "_") for state in table}
    lines = ["```mermaid", "stateDiagram-v2"]
    lines += [f'    state "{state}" as {name}' for state, name in names.items() if name != str(state)]
    lines.append(f"    [*] --> {names[first]}")
    for state, moves in table.items():
        lines += [f"    {names[state]} --> {names[after]}: {event}" for event, after in moves.items()]
        if not moves:
            lines.append(f"    {names[state]} --> [*]")
    return [*lines, "```"]
