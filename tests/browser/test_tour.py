"""The guided tour, walked in a browser: every step is done by what really happened."""

import pytest
from playwright.sync_api import expect

from bot.sandbox import crm
from bot.sandbox.stage import Stage
from tests.browser.visitor import Visitor

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("browser"), pytest.mark.timeout(240)]


def test_a_customer_goes_and_comes_back_and_so_does_the_whole_crm(visit: Visitor, stage: Stage) -> None:
    before = crm.contents(stage.crm)
    ask_and_approve(visit)
    assert len(crm.contents(stage.crm)["customers"]) == len(before["customers"]) - 1
    restore(visit)
    assert crm.contents(stage.crm) == before
    tear_down_and_put_back(visit)
    assert crm.contents(stage.crm) == before
    expect(visit.page.locator(".steps .done")).to_have_count(9)
    assert visit.page.locator(".undrawn").count() == 0


def ask_and_approve(visit: Visitor) -> None:
    page = visit.page
    visit.be("alice")
    visit.let_it_be_written()
    expect(page.locator(".message.private").last).to_contain_text("Working out")
    deletion = visit.card("Deletion")
    expect(visit.step("Alice asks")).to_have_class("done")
    page.get_by_role("button", name="Be Bob").click()
    page.locator(".now").get_by_role("button", name="Open the thread").click()
    ballot = page.locator(".thread .message:not(.private)").last
    ballot.locator(".reaction", has_text="✅").click()
    expect(ballot).to_contain_text("✓ @bob")
    expect(page.locator(".room .next")).to_contain_text("Carol approves")
    page.get_by_role("button", name="Be Carol").click()
    ballot.get_by_role("button", name="Approve").click()
    expect(deletion).to_contain_text("✅ done")
    expect(page.locator(".thread")).to_contain_text("cs1.")


def restore(visit: Visitor) -> None:
    visit.page.get_by_role("button", name="Be Erin").click()
    visit.let_it_be_written()
    card = visit.card("Restore")
    expect(card).to_contain_text("waiting for approval")
    visit.be("dan")
    visit.open_thread(card).locator(".reaction", has_text="✅").last.click()
    expect(card).to_contain_text("✅ done")


def tear_down_and_put_back(visit: Visitor) -> None:
    page = visit.page
    visit.be("alice")
    visit.type("/teardown crm -- moving to the new CRM")
    teardown = visit.card("Teardown")
    thread = visit.open_thread(teardown)
    for who in ("bob", "carol"):
        visit.be(who)
        thread.locator(".message:not(.private)").last.get_by_role("button", name="Approve").click()
    expect(page.locator(".crm")).to_contain_text("silent")
    expect(teardown).to_contain_text("set aside")
    visit.be("erin")
    teardown.get_by_role("button", name="Put it back").click()
    page.get_by_role("dialog").get_by_role("button", name="Put it back").click()
    expect(page.locator(".crm")).to_contain_text("answers")
    thread.get_by_role("button", name="Close").click()
