"""A sweep that fails has its next turn, and its error's text stays where it is."""

import logging
import threading

import pytest

from bot.schedules.runner import Ticker, WhenChanged

SECRET = "row of Ada Lovelace"


def test_a_failing_sweep_comes_again_and_its_text_is_printed_nowhere(
    capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, logger="")
    tried = threading.Semaphore(0)

    def fail() -> None:
        tried.release()
        raise ValueError(SECRET)

    ticker = Ticker()
    ticker.every(0.01, fail, "failing")
    ticker.start()
    try:
        assert all(tried.acquire(timeout=10) for _ in range(3))
    finally:
        ticker.stop()
    printed = "".join(capfd.readouterr())
    assert SECRET not in printed + caplog.text
    assert "ValueError" in printed


@pytest.mark.parametrize(
    ("marks", "longest", "looks"),
    [
        pytest.param([1, 1, 1], 3600.0, 1, id="nothing was written"),
        pytest.param([1, 2, 2, 1], 3600.0, 3, id="something was written, twice"),
        pytest.param([None, None], 3600.0, 2, id="nobody knows whether something was written"),
        pytest.param([1, None, 1], 3600.0, 3, id="for a moment nobody knew"),
        pytest.param([1, 1, 1], 0.0, 3, id="it has been a while"),
    ],
)
def test_a_sweep_looks_when_something_may_have_changed(
    marks: list[int | None], longest: float, looks: int
) -> None:
    looked: list[int | None] = []
    coming = iter(marks)
    sweep = WhenChanged(lambda: looked.append(None), lambda: next(coming), longest)
    for _ in marks:
        sweep()
    assert len(looked) == looks


def test_what_is_written_while_a_sweep_looks_is_looked_at_by_the_next() -> None:
    written = [0]

    def look() -> None:
        looked.append(written[0])
        written[0] = 1

    looked: list[int] = []
    sweep = WhenChanged(look, lambda: written[0], 3600.0)
    for _ in range(3):
        sweep()
    assert looked == [0, 1]


def test_a_sweep_that_failed_looks_again_though_nothing_was_written() -> None:
    tried: list[None] = []

    def fail() -> None:
        tried.append(None)
        raise ValueError(SECRET)

    sweep = WhenChanged(fail, lambda: 1, 3600.0)
    for _ in range(3):
        with pytest.raises(ValueError, match="row"):
            sweep()
    assert len(tried) == 3
