"""What the two children are given, and what they are never given."""

import subprocess
import sys

import pytest

from bot.settings import environment_for, read_environment

WHOLE = {
    "PATH": "/usr/bin:/bin",
    "SLACK_BOT_TOKEN": "xoxb-1",
    "SLACK_APP_TOKEN": "xapp-1",
    "COUNTERSIGN_MASTER_KEY_FILE": "/keys/master.key",
    "CRM_DATABASE_URL": "sqlite:////srv/crm.db",
    "AWS_SECRET_ACCESS_KEY": "of somebody else",
}
NAMED = frozenset({"CRM_DATABASE_URL", "SLACK_BOT_TOKEN"})


@pytest.mark.parametrize(
    ("part", "kept", "lost"),
    [
        (
            "bot",
            {"PATH", "SLACK_BOT_TOKEN", "SLACK_APP_TOKEN"},
            {"CRM_DATABASE_URL", "COUNTERSIGN_MASTER_KEY_FILE", "AWS_SECRET_ACCESS_KEY"},
        ),
        (
            "worker",
            {"PATH", "CRM_DATABASE_URL", "COUNTERSIGN_MASTER_KEY_FILE"},
            {"SLACK_BOT_TOKEN", "SLACK_APP_TOKEN", "AWS_SECRET_ACCESS_KEY"},
        ),
    ],
)
def test_each_half_gets_only_its_own(part: str, kept: set[str], lost: set[str]) -> None:
    given = set(environment_for(part, read_environment(WHOLE), NAMED))
    assert kept <= given
    assert not lost & given


def test_a_user_known_only_by_number_can_load_the_library_of_slack() -> None:
    """In a container a process may run under a number without a name, a home folder, or ``HOME``."""
    environment = environment_for("bot", read_environment({"PATH": "/usr/bin:/bin"}), frozenset())
    load = "import os, pwd; pwd.getpwuid = None; import slack_bolt"
    subprocess.run([sys.executable, "-c", load], env=environment, check=True)


def test_a_home_that_is_there_stays() -> None:
    environment = environment_for("bot", read_environment({"HOME": "/srv/ada"}), frozenset())
    assert environment["HOME"] == "/srv/ada"
