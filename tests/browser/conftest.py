"""A sandbox with its page, and a browser that must stay within it and have nothing to complain about."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, sync_playwright

from bot.sandbox.page.server import Page
from bot.sandbox.page.show import Show
from bot.sandbox.stage import Stage
from tests.browser.visitor import Visitor
from tests.fakes.page_sources import page_sources

__all__ = ["page_sources"]


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    """One for each file: a bot and a worker that wait for all the other tests take a fifth of a core."""
    with Stage() as made:
        yield made


@pytest.fixture(scope="module")
def show(stage: Stage) -> Show:
    return Show(stage.slack, stage.home, lambda: stage.serve)


@pytest.fixture(scope="module")
def address(show: Show) -> Iterator[str]:
    with Page(show) as page:
        yield page.address


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """One for each file: while it is there, a loop of Playwright's runs in this thread, and nobody else's can."""
    program = shutil.which("chromium")
    if program is None and not os.environ.get("CI"):
        pytest.skip("the Debian package chromium is not here")
    assert program, "the Debian package chromium is needed"
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        yield launched
        launched.close()


@pytest.fixture
def visit(browser: Browser, address: str, show: Show) -> Iterator[Visitor]:
    """Somebody who begins the tour; at the end nothing may have gone wrong in the browser."""
    show.begin_tour()
    visitor = Visitor(browser, address)
    yield visitor
    visitor.leave()
    assert visitor.problems == []


@pytest.fixture(scope="session")
def judge(page_sources: Path) -> str:
    """The script of axe-core, which looks for what keeps people out."""
    return (page_sources / "node_modules" / "axe-core" / "axe.min.js").read_text(encoding="utf-8")
