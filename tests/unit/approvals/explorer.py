"""Breadth first over all sequences of events; what comes to the same state is looked at once.

Two moments are the same when the rows that decide are, with times counted from now. The tree of moments is walked in
its own order, so that hardly anything is done twice to come back to one.
"""

import itertools
from collections import Counter
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from bot.model.requests import State
from tests.unit.approvals.lifeevents import BY_NAME, Event
from tests.unit.approvals.lifeworld import Facts, Killed, LifeWorld, Moment
from tests.unit.approvals.promises import GOING, Books, PromiseBrokenError, Turn, instant, judge, read

Path = tuple[str, ...]


class FoundError(AssertionError):
    """A sequence of events that breaks a promise."""


@dataclass
class Explored:
    """What was seen. ``states``: how often a request stood where; ``moves``: the events that changed something."""

    moments: int = 0
    turns: int = 0
    crashes: int = 0
    states: Counter[str] = field(default_factory=Counter)
    moves: Counter[str] = field(default_factory=Counter)

    def __str__(self) -> str:
        where = ", ".join(f"{count} {state}" for state, count in sorted(self.states.items()))
        return f"{self.moments} moments, {self.turns} turns, {self.crashes} crashes; {where}"


class Explorer:
    """``explore`` walks; every turn is judged, and the way to a broken promise is told."""

    def __init__(self, world: LifeWorld, events: Sequence[Event], crashes: bool = True) -> None:
        self._world = world
        self._events = events
        self._crashes = crashes
        self._seen: set[Hashable] = set()
        self._path: list[tuple[str, Moment]] = []
        self.explored = Explored()

    def explore(self, start: Path, depth: int) -> Explored:
        """Every sequence of at most ``depth`` events after the start."""
        frontier = [start]
        self.start(start)
        self._is_new(read(self._world))
        for _ in range(depth):
            frontier = [path for one in frontier for path in self._expand(one)]
        return self.explored

    def start(self, path: Path) -> None:
        """Live this far, judged like everything else."""
        if [name for name, _ in self._path] != list(path):
            self._go_to(())
            self._go_to(path, judged=True)

    def _expand(self, path: Path) -> list[Path]:
        self._go_to(path)
        was, found = read(self._world), []
        for event in self._events:
            here = self._world.mark()
            now = self._turn(path, event, was)
            key = now and self._key(now)
            fresh = now is not None and self._is_new(now)
            self._world.back(here)
            if fresh:
                found.append((*path, event.name))
                self.explored.moves[event.name] += 1
                if self._crashes:
                    self._crash(path, event, was, key)
        return found

    def _turn(self, path: Path, event: Event, was: Books) -> Books | None:
        """One event, judged; None when it cannot happen here."""
        before = self._world.facts
        if not event.act(self._world):
            return None
        self.explored.turns += 1
        now = read(self._world)
        entries = self._world.log_since(was.seq)
        self._judge(
            (*path, event.name), Turn(event.name, event.actor, was, now, entries, before, self._world.facts)
        )
        return now

    def _judge(self, path: Path, turn: Turn) -> None:
        try:
            judge(turn)
        except PromiseBrokenError as broken:
            raise FoundError(f"{broken}, after: {' → '.join(path)}") from broken

    def _crash(self, path: Path, event: Event, was: Books, wanted: Hashable) -> None:
        """Killed before each of its commits and begun again, and then once more, it comes to the same."""
        for moment in itertools.count(1):
            here, before = self._world.mark(), self._world.facts
            died = self._dies(event, moment)
            how = (*path, f"killed: {event.name}")
            if died:
                self.explored.crashes += 1
                told = self._world.log_since(was.seq)
                half = read(self._world)
                self._judge(how, Turn(event.name, None, was, half, told, before, self._world.facts))
                self._world.become(before, told=self._world.facts.told)
                event.act(self._world)
            same = self._key(read(self._world)) == wanted and self._repeats(event, before)
            self._world.back(here)
            if not same:
                raise FoundError(f"begun again it comes to something else: {' → '.join(how)}")
            if not died:
                return

    def _dies(self, event: Event, moment: int) -> bool:
        store = self._world.store
        store.begun, store.dies_at = 0, moment
        try:
            event.act(self._world)
        except Killed:
            return True
        finally:
            store.dies_at = 0
        return False

    def _repeats(self, event: Event, before: Facts) -> bool:
        """Whether the same delivery, or the same work, changes nothing when it comes once more."""
        if not event.repeats:
            return True
        first = read(self._world)
        self._world.become(self._world.facts, deliveries=before.deliveries)
        event.act(self._world)
        second = read(self._world)
        return self._key(first) == self._key(second) and first.private == second.private

    def _go_to(self, path: Path, judged: bool = False) -> None:
        """Back to where the ways part, and on from there."""
        common = 0
        while common < min(len(path), len(self._path)) and self._path[common][0] == path[common]:
            common += 1
        if common < len(self._path):
            self._world.back(self._path[common][1])
            del self._path[common:]
        for name in path[common:]:
            moment, was = self._world.mark(), read(self._world) if judged else None
            self._path.append((name, moment))
            if was is None:
                BY_NAME[name].act(self._world)
            else:
                assert self._turn(path, BY_NAME[name], was) is not None, f"{name} cannot happen: {path}"

    def _is_new(self, books: Books) -> bool:
        key = self._key(books)
        if key in self._seen:
            return False
        self._seen.add(key)
        self.explored.moments += 1
        for request in books.tables["requests"]:
            self.explored.states[request["state"]] += 1
        return True

    def _key(self, books: Books) -> Hashable:
        facts = self._world.facts
        # Nothing that lies further back than the clock can be set back will ever lie ahead again.
        furthest = -1 if facts.set_back else -3601

        def ago(value: int | None) -> float | None:
            moment = instant(value)
            return None if moment is None else max(furthest, (moment - facts.now) / timedelta(seconds=1))

        told = facts.told and (max(-61, (facts.told[0] - facts.now).total_seconds()), *facts.told[1:])
        questions = {one["nonce"]: one for one in books.tables["roster_questions"]}
        parts: list[Hashable] = [facts.policy, facts.dba, facts.gone, facts.set_back, facts.planned[-1:]]
        for one in books.tables["requests"]:
            jobs = [job for job in books.tables["jobs"] if job["request_id"] == one["id"]]
            parts.append((one["state"], one["revision"], one["denied_by"], len(jobs) > 0))
            if one["state"] in (State.APPROVED, State.PENDING, State.DENIED, State.PLANNING):
                parts += [ago(one["expires_at"]), ago(one["starts_at"]), ago(one["denied_until"])]
                for vote in books.votes(one):
                    late = vote["at"] >= one["expires_at"]
                    said = ago(vote["at"]) if vote["choice"] == "deny" else None
                    parts.append((vote["user"], vote["choice"], vote["roles"], late, said))
            for permit in books.ready(one):
                asked = questions.get(permit["nonce"])
                answered = asked is not None and asked["answered_at"] is not None
                parts += [ago(permit["expires_at"]), permit["revision"], asked is not None, answered, told]
            parts += [(job["id"] == "forged", job["state"], job["revision"]) for job in jobs[-1:]]
            parts += [job["state"] for job in jobs if job["state"] in GOING or job["id"] == "forged"]
        parts.append(any(one["frozen_by"] for one in books.tables["targets"]))
        return tuple(parts)
