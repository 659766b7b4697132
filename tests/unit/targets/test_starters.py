"""What would start a stopped service again: found in cron and systemd, never guessed, never called none."""

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.targets.starters import Bounds, Starters
from bot.targets.starters_text import Needles, triggered_by
from bot.texts import say

COMMANDS = [["systemctl", "start", "crm.service"], ["/opt/crm/bin/ctl", "stop"]]
CRM = Needles(("/srv/crm/uploads",), (), ("crm:web",)).with_commands(COMMANDS)
UNIT = "[Service]\nExecStart=/opt/crm/bin/serve\nRestart=on-failure\n"

#: what lies where -> what is told: kind and place
TREES: dict[str, tuple[dict[str, str], list[tuple[str, str]]]] = {
    "nothing at all": ({}, []),
    "a crontab runs a program of its own": (
        {"etc/crontab": "5 * * * * root /opt/crm/bin/ctl start\n"},
        [("cron", "/etc/crontab")],
    ),
    "a line that is a comment": ({"etc/crontab": "# 5 * * * * root /opt/crm/bin/ctl start\n"}, []),
    "a file of cron works in a folder of it": (
        {"etc/cron.d/tidy": "@daily root find /srv/crm/uploads -delete\n"},
        [("cron", "/etc/cron.d/tidy")],
    ),
    "a neighbour whose folder only begins like it": (
        {"etc/cron.d/tidy": "@daily root find /srv/crm/uploads-new /srv/crm/uploads.old -delete\n"},
        [],
    ),
    "a daily script starts the unit": (
        {"etc/cron.daily/wake": "#!/bin/sh\nsystemctl --quiet restart crm\n"},
        [("cron", "/etc/cron.daily/wake")],
    ),
    "a daily script starts another unit": (
        {"etc/cron.daily/wake": "systemctl restart crm-new\nservice shop start\n"},
        [],
    ),
    "an old init script": (
        {"etc/cron.hourly/w": "/etc/init.d/crm start\n"},
        [("cron", "/etc/cron.hourly/w")],
    ),
    "somebody's own crontab has supervisor start it": (
        {"var/spool/cron/crontabs/ada": "1 1 * * * supervisorctl start crm:web\n"},
        [("cron", "/var/spool/cron/crontabs/ada")],
    ),
    "supervisor is told to start everything": (
        {"var/spool/cron/ada": "1 1 * * * supervisorctl restart all\n"},
        [("cron", "/var/spool/cron/ada")],
    ),
    "supervisor is told to stop it": ({"var/spool/cron/ada": "1 1 * * * supervisorctl stop crm:web\n"}, []),
    "its unit, which systemd restarts": (
        {"etc/systemd/system/crm.service": UNIT},
        [("unit-restarts", "/etc/systemd/system/crm.service")],
    ),
    "an administrator switched that off": (
        {
            "etc/systemd/system/crm.service": UNIT,
            "etc/systemd/system/crm.service.d/quiet.conf": "[Service]\nRestart=no\n",
        },
        [],
    ),
    "a timer of its name": (
        {
            "usr/lib/systemd/system/crm.service": "[Service]\nExecStart=/x/y\n",
            "etc/systemd/system/crm.timer": "[Timer]\n",
        },
        [("timer", "/etc/systemd/system/crm.timer")],
    ),
    "a socket of another name keeps its port": (
        {
            "etc/systemd/system/crm.service": "[Service]\nExecStart=/opt/crm/bin/serve\n",
            "etc/systemd/system/front.socket": "[Socket]\nListenStream=80\nService=crm.service\n",
        },
        [("socket", "/etc/systemd/system/front.socket")],
    ),
    "a path unit starts a job that works in its folder": (
        {
            "etc/systemd/system/import.service": "[Service]\nExecStart=/usr/bin/import /srv/crm/uploads\n",
            "etc/systemd/system/import.path": "[Path]\nPathChanged=/var/in\n",
            "etc/systemd/system/shop.timer": "[Timer]\n",
        },
        [("path", "/etc/systemd/system/import.path")],
    ),
    "it starts with the machine": (
        {
            "etc/systemd/system/crm.service": "[Service]\nExecStart=/opt/crm/bin/serve\n",
            "etc/systemd/system/multi-user.target.wants/crm.service": "",
        },
        [("boot", "/etc/systemd/system/multi-user.target.wants/crm.service")],
    ),
}


def looked(root: Path, **changes: Any) -> list[tuple[str, str]]:
    told = replace(Starters(CRM, root=root), **changes).look()
    for language in ("en", "zh-CN"):
        assert all(say(key, language, **params) for key, params in told)
    return [(key.removeprefix("starters."), str(next(iter(params.values())))) for key, params in told]


def grown(root: Path, files: dict[str, str]) -> Path:
    for name, content in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(content)
    return root


@pytest.mark.parametrize("case", TREES)
def test_who_would_start_it_again_is_named(tmp_path: Path, case: str) -> None:
    files, told = TREES[case]
    assert looked(grown(tmp_path, files)) == told


def test_systemd_does_not_restart_what_it_was_asked_to_stop(tmp_path: Path) -> None:
    assert looked(grown(tmp_path, {"etc/systemd/system/crm.service": UNIT}), asked=True) == []


def test_what_cannot_be_read_is_not_checkable_and_never_none(tmp_path: Path) -> None:
    root = grown(tmp_path, {"etc/cron.d/large": "x" * 2000, "etc/cron.d/more": "y"})
    (root / "etc/cron.daily").symlink_to("cron.daily")
    os.mkfifo(root / "etc/cron.d/pipe")
    (root / "etc/cron.d/gone").symlink_to("nowhere")
    assert looked(root, bounds=Bounds(size=1000)) == [("unread", "/etc/cron.d/large, /etc/cron.daily")]
    assert looked(root, bounds=Bounds(files=1)) == [("unread", "/etc")]
    assert looked(root, bounds=Bounds(seconds=-1)) == [("unread", "/etc")]


def test_a_crowd_is_told_in_a_few_lines(tmp_path: Path) -> None:
    root = grown(tmp_path, {f"etc/cron.d/{n:02}": "/opt/crm/bin/ctl\n" for n in range(20)})
    assert looked(root)[11:] == [("cron", "/etc/cron.d/11"), ("more", "8")]


@pytest.mark.parametrize(
    ("commands", "paths", "units"),
    [
        ([["sh", "-c", "/opt/crm/run & echo $! >/run/crm.pid"]], ("/opt/crm/run",), ()),
        ([["/usr/bin/systemctl", "start", "crm"]], (), ("crm",)),
        ([["/etc/init.d/crm", "start"]], (), ("crm",)),
        ([["service", "crm", "start"]], (), ("crm",)),
        ([["docker", "start", "crm"]], (), ()),
    ],
)
def test_what_commands_say_of_a_service(
    commands: list[list[str]], paths: tuple[str, ...], units: tuple[str, ...]
) -> None:
    found = Needles().with_commands(commands)
    assert (found.paths, found.units) == (paths, units)


@given(st.text(), st.text())
def test_any_text_is_looked_at_without_harm(content: str, name: str) -> None:
    assert not Needles().named_in(content)
    assert CRM.named_in(f"\n{content}\n/opt/crm/bin/ctl\n") or "/opt" not in content.splitlines()[-1:]
    assert triggered_by(f"{name}.timer", "") == f"{name}.service"
