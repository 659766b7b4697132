"""The same page while Slack delivers by signed HTTP requests."""

import pytest
from playwright.sync_api import Browser, expect

from bot.sandbox.page.server import Page
from bot.sandbox.page.show import Show
from bot.sandbox.stage import Stage
from tests.browser.visitor import Visitor

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("browser"), pytest.mark.timeout(120)]


def test_commands_forms_reactions_and_buttons_arrive(browser: Browser) -> None:
    with Stage(http=True) as stage, Page(Show(stage.slack, stage.home, lambda: stage.serve)) as page:
        visitor = Visitor(browser, page.address)
        expect(visitor.page.locator(".sidebar header")).to_contain_text("signed HTTP")
        visitor.be("alice")
        visitor.type("/delete-records")
        form = visitor.page.get_by_role("dialog", name="Delete records")
        form.get_by_label("Type of record").select_option("customer")
        form.get_by_label("Which records").fill("ada@example.com")
        form.get_by_label("Reason").fill("GDPR request 4711")
        form.get_by_role("button", name="Ask").click()
        thread = visitor.open_thread(visitor.card("Deletion"))
        ballot = thread.locator(".message:not(.private)").last
        visitor.be("bob")
        ballot.locator(".reaction", has_text="✅").click()
        expect(ballot).to_contain_text("✓ @bob")
        visitor.be("carol")
        ballot.get_by_role("button", name="Deny").click()
        expect(ballot).to_contain_text("✗ @carol")
        assert stage.slack.links.count == 0
        visitor.leave()
        assert visitor.problems == []
