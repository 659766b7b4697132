"""The guided tour, walked in a browser: every step is done by what really happened."""

import pytest
from playwright.sync_api import expect

from bot.sandbox import crm
from bot.sandbox.stage import Stage
from tests.browser.visitor import Visitor

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("browser"), pytest.mark.timeout(120)]


def test_a_customer_goes_and_comes_back_and_so_does_the_whole_crm(visit: Visitor, stage: Stage) -> None:
    page = visit.page
    before = crm.contents(stage.crm)
    visit.be("alice")
    visit.let_it_be_written()
    expect(page.locator(".message.private").last).to_contain_text("Working out")
    deletion = visit.card("Deletion")
    expect(visit.step("Alice asks")).to_have_class("done")

    page.get_by_role("button", name="Be Bob").click()
    page.locator(".now").get_by_role("button", name="Open the thread").click()
    ballot = page.locator(".thread .message").last
    ballot.locator(".reaction", has_text="✅").click()
    expect(ballot).to_contain_text("✓ @bob")
    expect(page.locator(".next")).to_contain_text("Carol approves")
    page.get_by_role("button", name="Be Carol").click()
    ballot.get_by_role("button", name="Approve").click()
    expect(deletion).to_contain_text("done")
    expect(page.locator(".thread")).to_contain_text("cs1.")
    assert len(crm.contents(stage.crm)["customers"]) == len(before["customers"]) - 1

    page.get_by_role("button", name="Be Erin").click()
    visit.let_it_be_written()
    restore = visit.card("Restore")
    expect(restore).to_contain_text("waiting for approval")
    visit.be("dan")
    visit.open_thread(restore).locator(".reaction", has_text="✅").last.click()
    expect(restore).to_contain_text("done")
    assert crm.contents(stage.crm) == before

    visit.be("alice")
    visit.type("/teardown crm -- moving to the new CRM")
    teardown = visit.card("Teardown")
    thread = visit.open_thread(teardown)
    for who in ("bob", "carol"):
        visit.be(who)
        thread.locator(".message").last.get_by_role("button", name="Approve").click()
    expect(page.locator(".crm")).to_contain_text("silent")
    expect(teardown).to_contain_text("set aside")
    visit.be("erin")
    teardown.get_by_role("button", name="Put it back").click()
    page.get_by_role("dialog").get_by_role("button", name="Put it back").click()
    expect(page.locator(".crm")).to_contain_text("answers")
    page.locator(".thread").get_by_role("button", name="Close").click()
    expect(page.locator(".steps .done")).to_have_count(9)
    assert crm.contents(stage.crm) == before
    assert page.locator(".undrawn").count() == 0
