"""What numbers new rows by itself, and how far it must go on so that no number comes twice. Pure."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Counter:
    """A sequence that a column takes its numbers from: where it stands and which way it goes.

    ``upcoming``: the number that it would give next. ``low`` and ``high``: the first and last that it may.
    """

    upcoming: int
    step: int
    low: int
    high: int
    cycles: bool = False

    def last_to_draw(self, taken: int | None) -> int | None:
        """The number that has to be gone, so that all the following are past ``taken``; None: there is none.

        It is one of the sequence's own numbers: a sequence of odd ones stays odd. One that begins again at
        its end meets numbers that are taken anyway, and is left alone.
        """
        if taken is None or self.cycles or not self.low <= taken <= self.high:
            return None
        last = self.upcoming + (taken - self.upcoming) // self.step * self.step
        return last if self.low <= last <= self.high else None

    def draws(self, last: int) -> int:
        """How many more numbers must be drawn until ``last`` is gone; none or less: it is."""
        return (last - self.upcoming) // self.step + 1
