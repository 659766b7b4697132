"""What people read about the parts of a system: what is counted is said, and what is open is called so."""

from dataclasses import replace

import pytest

from handlers.views import plan, request_card
from tests.unit.handlers.test_plan_file import about_person, of_system

PARTS = [
    ["uploads", "files", "/srv/crm/uploads", 20_079, 5],
    ["database", "database", "PostgreSQL crm", 3_807, 5],
    ["crm", "role", "crm", 1, 5],
]


@pytest.mark.parametrize(
    ("language", "wanted", "never"),
    [
        ("en", ("20,079 files", "3,807 rows", "1 role,"), "or row"),
        ("zh-CN", ("20,079 个文件", "3,807 行", "1 个角色"), "或行"),
    ],
)
def test_each_part_is_counted_by_what_it_holds(language: str, wanted: tuple[str, ...], never: str) -> None:
    shown = str(plan.render(of_system(holdings=PARTS), 1, language).blocks)
    assert all(part in shown for part in wanted), shown
    assert never not in shown


@pytest.mark.parametrize(("language", "word"), [("en", "Open right now"), ("zh-CN", "当前已打开")])
def test_what_is_held_open_is_not_called_what_goes(language: str, word: str) -> None:
    held = replace(of_system(holdings=PARTS), personal=about_person(label="/srv/crm.db (python 12)").personal)
    for shown in (plan.render(held, 1, language), request_card.render(held, language)):
        assert f"*{word}" in str(shown.blocks)
    deletion = about_person(label="Ada")
    for shown in (plan.render(deletion, 1, language), request_card.render(deletion, language)):
        assert word not in str(shown.blocks)
