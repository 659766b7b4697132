"""Forms, questions, private words and marks, by keyboard and on a phone."""

import pytest
from playwright.sync_api import Browser, FilePayload, expect

from bot.sandbox.people import DELETIONS, GENERAL
from bot.sandbox.stage import Stage
from tests.browser.visitor import TITLE, Visitor

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("browser"), pytest.mark.timeout(120)]


def test_a_form_is_filled_in_by_keyboard_alone(visit: Visitor) -> None:
    page = visit.page
    visit.be("alice")
    field = page.locator(".room .composer textarea")
    field.focus()
    page.keyboard.type("/del")
    expect(page.get_by_role("option")).to_have_count(1)
    page.keyboard.press("Tab")
    expect(field).to_have_value("/delete-records ")
    page.keyboard.press("Enter")
    form = page.get_by_role("dialog", name="Delete records")
    expect(form.get_by_label("System")).to_be_focused()
    expect(form.get_by_label("System")).to_have_value("crm")

    form.get_by_role("button", name="Ask").press("Enter")
    expect(form.locator(".error")).to_have_count(2)
    expect(form.get_by_label("Type of record")).to_be_focused()
    form.get_by_label("Type of record").select_option("customer")
    form.get_by_label("Which records").fill('"not closed')
    form.get_by_label("Reason").fill("a test")
    form.get_by_role("button", name="Ask").press("Enter")
    expect(form.locator(".error")).to_have_count(1)
    assert form.get_by_label("Which records").get_attribute("aria-invalid") == "true"
    expect(form.get_by_label("Reason")).to_have_value("a test")
    page.keyboard.press("Escape")
    expect(form).to_have_count(0)


def test_a_list_is_handed_over_as_a_file_on_a_phone(browser: Browser, address: str) -> None:
    visitor = Visitor(browser, address, size=(390, 844))
    page = visitor.page
    visitor.type("/delete-records crm customer")
    form = page.get_by_role("dialog", name="Delete records")
    form.get_by_label("Reason").fill("they all asked")
    chosen = form.get_by_label("Or a list as a CSV file")
    listed: FilePayload = {
        "name": "list.csv",
        "mimeType": "text/csv",
        "buffer": b"email\nnobody@example.com\n",
    }
    chosen.set_input_files([listed])
    form.get_by_label("Which records").fill("1")
    form.get_by_role("button", name="Ask").click()
    expect(form.locator(".error")).to_have_count(1)
    assert form.evaluate("it => it.scrollWidth <= it.clientWidth")
    form.get_by_label("Which records").fill("")
    form.get_by_role("button", name="Ask").click()
    expect(form).to_have_count(0)
    expect(page.locator(".room").get_by_text("of the file matches no row").last).to_be_visible()
    visitor.leave()
    assert visitor.problems == []


def test_a_question_is_asked_before_a_card_is_cancelled(visit: Visitor) -> None:
    page = visit.page
    visit.be("alice")
    visit.type("/delete-records crm customer ada@example.com -- to be cancelled")
    card = visit.card("Deletion")
    expect(card).to_contain_text("waiting for approval")
    card.get_by_role("button", name="Cancel").click()
    question = page.get_by_role("dialog")
    question.get_by_role("button").first.click()
    expect(question).to_have_count(0)
    expect(card).to_contain_text("waiting for approval")
    card.get_by_role("button", name="Cancel").click()
    question.get_by_role("button").last.click()
    expect(card).to_contain_text("cancelled")


def test_what_is_told_to_one_person_alone_is_seen_by_nobody_else(visit: Visitor) -> None:
    page = visit.page
    visit.be("frank")
    visit.type("/delete-records crm customer ada@example.com -- I want to")
    expect(page.locator(".message.private").last).to_contain_text("support")
    visit.be("bob")
    expect(page.locator(".message.private", has_text="support")).to_have_count(0)
    page.get_by_role("button", name="Home", exact=True).click()
    expect(page.locator(f".home {TITLE}").first).to_be_visible()


def test_other_rooms_are_marked_while_they_are_unread(visit: Visitor, stage: Stage) -> None:
    page = visit.page
    visit.be("alice")
    stage.slack.as_user("U0BOB").say(GENERAL, "lunch? &lt;!channel&gt; <@U0ALICE>")
    entry = page.get_by_role("button", name="general")
    expect(entry.locator(".count")).to_have_text("1")
    entry.click()
    said = page.locator(".message").last
    expect(said).to_contain_text("@alice")
    assert "@channel" not in said.inner_text()
    expect(entry.locator(".count")).to_have_count(0)


def test_on_a_phone_in_the_dark_everything_is_in_reach(browser: Browser, address: str, stage: Stage) -> None:
    visitor = Visitor(browser, address, size=(390, 844), scheme="dark")
    page = visitor.page
    message = stage.slack.as_user("U0BOB").say(DELETIONS, f"a word that is long: {'x' * 300}")
    page.get_by_role("button", name="Change who you are").first.click()
    visitor.be("carol")
    page.locator(f'[data-ts="{message.ts}"]').hover()
    page.locator(f'[data-ts="{message.ts}"]').get_by_role("button", name="React", exact=True).click()
    page.get_by_role("button", name="React with 👀").click()
    expect(page.locator(f'[data-ts="{message.ts}"] .reaction')).to_have_text("👀 1")
    for tab in ("tour", "trouble"):
        page.locator(f".tab.{tab}").click()
        page.locator(".panel").get_by_role("button", name="Close").click()
    wide = page.evaluate("document.documentElement.scrollWidth")
    visitor.leave()
    assert wide <= 390
    assert visitor.problems == []
