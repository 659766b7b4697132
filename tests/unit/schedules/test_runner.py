"""A sweep that fails has its next turn, and its error's text stays where it is."""

import logging
import threading

import pytest

from bot.schedules.runner import Ticker

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
