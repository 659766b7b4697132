"""The gallery in a browser: everything is drawn, and nothing is wider than a phone."""

from typing import Literal

import pytest
from playwright.sync_api import Browser

from bot.sandbox import gallery
from tests.browser.visitor import Visitor

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("browser"), pytest.mark.timeout(240)]


@pytest.mark.parametrize(
    ("size", "scheme", "language"),
    [((390, 844), "dark", "en"), ((1280, 900), "light", "zh-CN")],
    ids=["a phone in the dark", "a desk in the light, in Chinese"],
)
def test_every_exhibit_is_seen(
    browser: Browser, address: str, size: tuple[int, int], scheme: Literal["light", "dark"], language: str
) -> None:
    visitor = Visitor(browser, f"{address}gallery?language={language}", size=size, scheme=scheme)
    seen = visitor.page.locator(".exhibit")
    seen.first.wait_for()
    words = seen.locator(".blocks").all_inner_texts()
    too_wide = visitor.page.locator(".gallery").evaluate("it => it.scrollWidth > it.clientWidth")
    undrawn = visitor.page.locator(".undrawn").count()
    asked = [problem for problem in visitor.problems if not problem.startswith(f"a request to {address}")]
    visitor.leave()
    assert len(words) == len(gallery.exhibits(language))
    assert [number for number, text in enumerate(words) if not text.strip()] == []
    assert (too_wide, undrawn, asked) == (False, 0, [])
