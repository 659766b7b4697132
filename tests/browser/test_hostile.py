"""A hostile session: Slack and the worker break under a request, and the thread heals."""

import re

import pytest
from playwright.sync_api import expect

from bot.sandbox import crm
from bot.sandbox.people import DELETIONS
from bot.sandbox.slack.responses import shown_text
from bot.sandbox.stage import Stage
from tests.browser.visitor import TITLE, Visitor

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("browser"), pytest.mark.timeout(240)]


def test_nothing_is_lost_and_nothing_happens_twice(visit: Visitor, stage: Stage) -> None:
    page = visit.page
    before = len(crm.contents(stage.crm)["customers"])
    page.locator(".tab.trouble").click()
    drawer = page.locator(".panel")
    slack_goes_and_comes_back(visit, stage)
    for fault in ("Posted, but no answer", "Events arrive twice", "Too many requests"):
        drawer.get_by_role("button", name=fault).click()
    expect(drawer.locator(".count")).to_have_count(3)

    cards = page.locator(f".room .message {TITLE}", has_text=re.compile("^Deletion #"))  # and no receipt
    old = cards.count()
    visit.type("/delete-records crm customer grace@example.com -- GDPR request 4712")
    expect(cards).to_have_count(old + 1)
    deletion = visit.card("Deletion")
    both_approve(visit)
    drawer.get_by_role("button", name="Kill the worker").click()
    expect(deletion).to_contain_text("✅ done")
    expect(drawer.locator(".lamp-line")).to_have_text("running")
    drawer.get_by_role("button", name="Make everything well again").click()
    expect(drawer.locator(".count")).to_have_count(0)

    the_drawer_comes_before_a_thread(visit)
    assert len(crm.contents(stage.crm)["customers"]) == before - 1
    expect(cards).to_have_count(old + 1)
    number = re.search(r"#\d+", deletion.inner_text())
    assert number
    receipt = f"Receipt for deletion {number.group()}"
    expect(page.locator(f".room .message {TITLE}", has_text=receipt)).to_have_count(1)
    room = stage.slack.core.workspace.messages[DELETIONS].values()
    titles = [shown_text(one).splitlines()[0] for one in room if one.bot_id]
    assert titles.count(receipt) == 1


def slack_goes_and_comes_back(visit: Visitor, stage: Stage) -> None:
    drawer = visit.page.locator(".panel")
    drawer.get_by_role("button", name="Take Slack down").click()
    expect(drawer.get_by_role("button", name="bring it back")).to_be_visible()
    visit.be("alice")
    visit.type("/delete-records crm customer grace@example.com -- nobody hears this")
    expect(visit.page.locator(".toast")).to_contain_text("did not reach the app")
    drawer.get_by_role("button", name="bring it back").click()
    stage.slack.wait_for(stage.slack.reaches_app, 30)


def the_drawer_comes_before_a_thread(visit: Visitor) -> None:
    drawer = visit.page.locator(".panel")
    visit.open_thread(visit.card("Deletion"))
    expect(drawer).to_be_hidden()
    visit.page.locator(".tab.trouble").click()
    expect(drawer).to_be_visible()


def both_approve(visit: Visitor) -> None:
    deletion = visit.card("Deletion")
    thread = visit.open_thread(deletion)
    ballot = thread.locator(".message:not(.private)").last
    visit.be("bob")
    ballot.locator(".reaction", has_text="✅").click()
    expect(ballot).to_contain_text("✓ @bob")
    visit.be("carol")
    ballot.get_by_role("button", name="Approve").click()
    expect(deletion).to_contain_text("✓ @carol")
    thread.get_by_role("button", name="Close").click()
