"""Nobody is kept out: contrast, names, roles and order, in light and dark, and the keyboard reaches everything."""

from typing import Literal

import pytest
from playwright.sync_api import Browser, expect

from bot.sandbox.people import GENERAL
from bot.sandbox.stage import Stage
from tests.browser.visitor import Visitor

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("browser"), pytest.mark.timeout(120)]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing(
    browser: Browser, address: str, judge: str, scheme: Literal["light", "dark"]
) -> None:
    visitor = Visitor(browser, address, scheme=scheme)
    page = visitor.page
    visitor.be("alice")
    visitor.type("/delete-records crm customer 1 -- to look at")
    visitor.open_thread(visitor.card("Deletion"))
    found = visitor.judged_by(judge)
    page.locator(".thread").get_by_role("button", name="Close").click()
    page.locator(".tab.trouble").click()
    page.locator(".room .composer textarea").fill("/")
    found += visitor.judged_by(judge)
    page.locator(".room .composer textarea").fill("")
    visitor.type("/teardown")
    form = page.get_by_role("dialog")
    form.get_by_role("button", name="Ask").click()
    expect(form.locator(".error")).to_have_count(1)
    found += visitor.judged_by(judge)
    page.keyboard.press("Escape")
    expect(form).to_have_count(0)
    visitor.leave()
    assert found == []


def test_the_tools_of_a_message_are_reached_by_keyboard(visit: Visitor, stage: Stage) -> None:
    page = visit.page
    visit.be("alice")
    page.get_by_role("button", name="general").click()
    message = stage.slack.as_user("U0BOB").say(GENERAL, "only words")
    said = page.locator(f'[data-ts="{message.ts}"]')
    said.get_by_role("button", name="React", exact=True).press("Enter")
    said.get_by_role("button", name="React with ✅").press("Enter")
    expect(said.locator(".reaction")).to_have_attribute("aria-pressed", "true")
    page.get_by_role("button", name="To the message field").press("Enter")
    expect(page.locator(".room textarea")).to_be_focused()
