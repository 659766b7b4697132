"""One installation per test."""

import sqlite3
from pathlib import Path

import pytest

from bot.cli.entry import run
from tests.unit.cli.cli_installation import CONFIGURATION, CRM, Answer, Installation


@pytest.fixture
def installation(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> Installation:
    for name in ("SLACK_BOT_TOKEN", "SLACK_APP_TOKEN", "COUNTERSIGN_DATABASE_URL", "COUNTERSIGN_HTTP"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("COUNTERSIGN_DATA_DIR", str(tmp_path / "var"))
    monkeypatch.setenv("COUNTERSIGN_CONFIG", str(tmp_path / "countersign.yml"))
    monkeypatch.setenv("CRM_URL", f"sqlite:///{tmp_path / 'crm.db'}")
    monkeypatch.delenv("COUNTERSIGN_MASTER_KEY_FILE", raising=False)
    (tmp_path / "countersign.yml").write_text(CONFIGURATION)
    with sqlite3.connect(tmp_path / "crm.db") as crm:
        crm.executescript(CRM)
    crm.close()

    def command(*arguments: str) -> Answer:
        code = run(arguments)
        said = capfd.readouterr()
        return Answer(code, said.out, said.err)

    return Installation(tmp_path, command)
