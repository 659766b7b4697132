"""Two languages in one workspace: each person alone in their own, the channel in its own, nothing mixed."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bot.sandbox.slack.responses import shown_text, texts_of
from bot.sandbox.slack.workspace import Message
from tests.stories.rig import NO, PATIENCE, Rig
from tests.stories.town import ask, thread, town

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("two-languages")]

CHINESE = re.compile(r"[\u3000-\u9fff\uff00-\uffef]")
#: Two words of the Latin alphabet in a row, once names, commands and what stands in backticks are taken out.
ENGLISH = re.compile(r"[A-Za-z][a-z-]+(?:,? [A-Za-z][a-z-]+)+")
NAMES = re.compile(r"`[^`]*`|<[^>]*>|small erasure|Example CRM Ltd|/?countersign [a-z-]+")


def everything(message: Message) -> str:
    """What a message shows, its notification line and the questions behind its buttons included."""
    asked = [
        element["confirm"]
        for block in message.blocks
        for element in block.get("elements", [])
        if isinstance(element, dict) and "confirm" in element
    ]
    return "\n".join([message.text, shown_text(message), *texts_of(asked), *map(str, asked)])


def in_chinese(text: str) -> bool:
    """Chinese and no English beside it."""
    bare = NAMES.sub("", text)
    assert not ENGLISH.search(re.sub(r"\{'.*\}", "", bare)), text
    return bool(CHINESE.search(bare))


def in_english(text: str) -> bool:
    """No Chinese sign at all."""
    return not CHINESE.search(text)


def everybody_reads_english(rig: Rig) -> None:
    for person in rig.slack.core.workspace.users.values():
        person.locale = "en-US"


def home_of(rig: Rig, who: str) -> str:
    rig.slack.as_user(who).open_home()
    rig.slack.wait_for(lambda: rig.slack.core.homes.get(who), PATIENCE)
    return "\n".join(texts_of(rig.slack.core.homes[who].body["blocks"]))


def form_texts(view: Any) -> str:
    return "\n".join([view.title, *texts_of(view.body["blocks"]), view.body["submit"]["text"]])


def chinese(text: str) -> str:
    """A configuration whose channel speaks Chinese."""
    return text.replace("language: en", "language: zh-CN")


@pytest.fixture(scope="module")
def english_channel(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    with Rig(tmp_path_factory.mktemp("english")) as rig:
        rig.slack.core.workspace.users["U0ALICE"].locale = "zh-CN"
        yield rig


@pytest.fixture(scope="module")
def chinese_channel(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    with Rig(tmp_path_factory.mktemp("chinese"), chinese) as rig:
        everybody_reads_english(rig)
        yield rig


class TestChineseReader:
    """Alice reads Chinese, and the channel is English."""

    @pytest.fixture
    def rig(self, english_channel: Rig) -> Rig:
        return english_channel

    @pytest.mark.parametrize(
        ("name", "text", "told"),
        [
            ("/delete-records", "erp customer 1 -- why", "没有名为“erp”的系统"),
            ("/delete-records", "crm customer nobody@example.com -- why", "没有匹配的行"),
            ("/restore", "cs1.AAAA -- why", "您需要以下角色之一：responder、dba"),
            ("/restore", "hello -- why", "申请编号"),
            ("/countersign", "abracadabra", "无法理解“abracadabra”"),
            ("/countersign", "show 99", "没有申请 #99"),
            ("/countersign", "unfreeze erp -- why", "没有名为“erp”的系统"),
            ("/countersign", "help", "先查看"),
            ("/countersign", "whoami", "您的角色"),
            ("/countersign", "targets", "支持："),
            ("/countersign", "policy", "批准人："),
            ("/countersign", "backups", "备份"),
            ("/countersign", "requests", "申请"),
            ("/countersign", "plan crm customer grace@example.com", "仅您可见"),
        ],
    )
    def test_is_answered_in_chinese(self, rig: Rig, name: str, text: str, told: str) -> None:
        since = rig.command("U0ALICE", name, text)
        assert in_chinese(rig.told("U0ALICE", since, told))
        assert not rig.slack.violations

    def test_fills_in_a_chinese_form_and_is_told_in_chinese_what_is_wrong_with_it(self, rig: Rig) -> None:
        rig.command("U0ALICE", "/delete-records", "crm customer")
        alice = rig.slack.as_user("U0ALICE")
        form = alice.wait_for_view("删除记录", timeout=PATIENCE)
        assert in_chinese(form_texts(form))
        wrong = alice.submit(form.id, {"values": '"ada', "reason": " "})
        assert set(wrong.errors) == {"values", "reason"}
        assert all(in_chinese(text) for text in wrong.errors.values())
        alice.close(form.id)

    def test_has_a_chinese_home(self, rig: Rig) -> None:
        assert in_chinese(home_of(rig, "U0ALICE"))
        assert in_english(home_of(rig, "U0BOB"))

    def test_sees_the_request_of_the_channel_in_english_and_her_hints_in_chinese(self, rig: Rig) -> None:
        ballot = rig.ask_to_delete()
        since = rig.react("U0ALICE", ballot)
        assert in_chinese(rig.told("U0ALICE", since, "是您自己提出的"))
        since = rig.command("U0ALICE", "/countersign", "show 1")
        assert in_chinese(rig.told("U0ALICE", since))
        since = rig.react("U0BOB", ballot)
        assert in_english(rig.told("U0BOB", since))
        rig.react("U0CAROL", ballot)
        rig.wait_state(1, "succeeded")
        assert rig.slack.wait_for(rig.receipts, PATIENCE)
        assert all(in_english(everything(one)) for one in rig.room())
        assert not rig.slack.violations


class TestChineseChannel:
    """The channel is Chinese; Bob, Carol and Erin read English."""

    @pytest.fixture
    def rig(self, chinese_channel: Rig) -> Rig:
        return chinese_channel

    def all_chinese(self, rig: Rig) -> bool:
        return all(in_chinese(everything(one)) for one in rig.room())

    def test_the_channel_is_told_in_chinese_and_each_reader_of_english_in_english(self, rig: Rig) -> None:
        before = rig.contents()
        ballot = rig.ask_to_delete()
        assert "删除 #1" in shown_text(rig.card(ballot))
        told = thread(rig, ballot)
        for word in ("的计划", "恢复途径", "投票", "批准", "24 行"):
            assert word in told
        assert self.all_chinese(rig)
        since = rig.react("U0ALICE", ballot)
        assert in_english(rig.told("U0ALICE", since, "yourself"))
        assert in_english(home_of(rig, "U0ALICE"))
        rig.approve(ballot)
        rig.wait_state(1, "succeeded")
        receipt = rig.slack.wait_for(rig.receipts, PATIENCE)
        assert receipt
        assert "已从 *crm* 中删除并核实" in shown_text(receipt[0])
        rig.slack.wait_for(lambda: "已完成" in shown_text(rig.card(ballot)), PATIENCE)
        since = rig.command("U0ERIN", "/restore", "#1 -- the wrong account")
        rig.approve(rig.ballot(since), "U0BOB")
        rig.wait_state(2, "succeeded")
        rig.slack.wait_for(lambda: len(rig.receipts()) == 2, PATIENCE)
        assert rig.contents() == before
        self.deny_freeze_and_cancel(rig)
        assert self.all_chinese(rig)
        assert not rig.slack.violations

    def deny_freeze_and_cancel(self, rig: Rig) -> None:
        ballot = rig.ask_to_delete("grace@example.com")
        number = rig.row("SELECT max(number) FROM requests")[0]
        since = rig.react("U0CAROL", ballot, NO)
        assert in_english(rig.told("U0CAROL", since, "denied"))
        rig.wait_state(number, "denied")
        rig.slack.wait_for(lambda: "已否决" in shown_text(rig.card(ballot)), PATIENCE)
        rig.command("U0ERIN", "/countersign", "freeze crm -- careful")
        rig.slack.wait_for(lambda: any("已冻结 crm" in shown_text(one) for one in rig.room()), PATIENCE)
        since = rig.command("U0ALICE", "/countersign", f"cancel {number}")
        assert in_english(rig.told("U0ALICE", since))
        rig.wait_state(number, "cancelled")
        rig.slack.wait_for(lambda: "已取消" in shown_text(rig.card(ballot)), PATIENCE)

    def test_somebody_who_reads_neither_is_answered_in_the_language_of_the_channel(self, rig: Rig) -> None:
        rig.slack.core.workspace.users["U0GUS"].locale = "fr-FR"
        since = rig.command("U0GUS", "/countersign", "requests")
        assert in_chinese(rig.told("U0GUS", since))


def test_a_teardown_is_told_in_chinese_from_the_plan_to_putting_it_back(tmp_path: Path) -> None:
    with town(tmp_path, change=chinese) as (rig, page):
        everybody_reads_english(rig)
        before = page()
        ballot = ask(rig)
        told = thread(rig, ballot)
        for word in ("不可逆点", "将停止", "运行中", "若在此中断", "系统拆除 #1"):
            assert word in told
        rig.approve(ballot)
        rig.wait_state(1, "set-aside")
        since = rig.command("U0ALICE", "/countersign", "put-back 1")
        assert in_english(rig.told("U0ALICE", since, "responder"))
        rig.command("U0ERIN", "/countersign", "put-back 1")
        assert rig.wait_state(1, "stopped", "held") == "stopped", thread(rig, ballot)
        assert rig.wait(page, "the page is back") == before
        rig.slack.wait_for(lambda: "一切都已回到原处" in thread(rig, ballot), PATIENCE)
        assert all(in_chinese(everything(one)) for one in rig.room())
        assert not rig.slack.violations
