"""A system with cron and nginx residue is torn down; what is left is told, cleared away, and brought back."""

import json
from pathlib import Path

import pytest

from bot.audit import certificate
from bot.sandbox.slack.responses import shown_text
from bot.sandbox.slack.workspace import Message
from tests.stories.rig import PATIENCE, Rig
from tests.stories.town import ask, thread, town

pytestmark = pytest.mark.slow

LEFT = {
    "etc/cron.d/crm": "0 3 * * * root /srv/crm/nightly\n",
    "etc/nginx/sites-available/crm.conf": "server { server_name crm.example.com; }\n",
    "etc/logrotate.d/crm-mailer": "",
    "etc/hosts": "10.0.0.7 crm\n",
    "etc/passwd": "crm:x:700:700::/srv/crm:/bin/false\n",
    "var/log/crm/ada@example.com.log": "she was here\n",
    "var/log/syslog": "crm was here\n",
}
CLEARED = (
    "etc/cron.d/crm",
    "etc/nginx/sites-available/crm.conf",
    "etc/nginx/sites-enabled/customers",
    "var/log/crm",
)
DECLARED = """    residue: {{names: [crm], look_in: ["{root}/etc", "{root}/var/log"]}}
    checklist: [{{name: DNS entry, who: dba}}, {{name: Certificate}}]
    tell: ["""


def leave(root: Path) -> None:
    for path, content in LEFT.items():
        place = root / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(content)
    (root / "etc/nginx/sites-enabled").mkdir()
    (root / "etc/nginx/sites-enabled/customers").symlink_to("../sites-available/crm.conf")
    (root / "etc/cron.d/crm").chmod(0o640)


def there(root: Path) -> dict[str, object]:
    found: dict[str, object] = {}
    for place in root.rglob("*"):
        about, path = place.lstat(), str(place.relative_to(root))
        held = place.readlink() if place.is_symlink() else place.read_bytes() if place.is_file() else None
        found[path] = (held, about.st_mode, about.st_mtime_ns if held is not None else 0)
    return {path: what for path, what in found.items() if path.startswith(("etc", "var"))}


def receipt(rig: Rig, number: int, said: str) -> Message:
    def found() -> Message | None:
        return next(
            (one for one in rig.receipts() if f"#{number}" in shown_text(one) and said in shown_text(one)),
            None,
        )

    one = rig.slack.wait_for(found, PATIENCE)
    assert one is not None
    return one


def done(rig: Rig, number: int, ballot: Message, *who: str) -> None:
    rig.approve(ballot, *who)
    assert rig.wait_state(number, "succeeded", "held", "failed") == "succeeded", thread(rig, ballot)


def certified(rig: Rig, number: int) -> list[list[str]]:
    key = json.loads(rig.row("SELECT entry FROM audit_log WHERE seq = 0")[0])["body"]["public_key"]
    raw = (rig.folder / f"data/certificates/request-{number}.json").read_bytes()
    return list(certificate.read(raw, key)["residue"])


def what_is_left(rig: Rig, root: Path) -> Message:
    told = receipt(rig, 1, "Looked for again: 7 things are still there")
    absent = next(line for line in shown_text(told).splitlines() if "Looked for and not there" in line)
    assert absent.endswith(f"Looked in `{root}/etc`, `{root}/var/log`.")
    return told


def asked_to_clear(rig: Rig, told: Message) -> Message:
    """From the button on the receipt to the ballot."""
    alice, since = rig.slack.as_user("U0ALICE"), rig.slack.core.stamp()
    alice.click("C0DELETIONS", told.ts, "clear")
    form = alice.wait_for_view("Clear it away", timeout=PATIENCE)
    assert alice.submit(form.id, {"reason": "nobody needs it"}).acked
    return rig.ballot(since)


def is_announced(rig: Rig, ballot: Message, root: Path) -> None:
    plan = thread(rig, ballot)
    for told in ("etc/cron.d/crm", "var/log/crm", "etc/nginx/sites-enabled/customers"):
        assert f"{root}/{told}" in plan
    for told in ("userdel crm", "DNS entry", "only begins like it"):
        assert told in plan
    assert "ada@" not in plan


def test_residue_is_told_cleared_away_and_brought_back(tmp_path: Path) -> None:
    root = tmp_path / "home"

    def change(text: str) -> str:
        return text.replace("    tell: [", DECLARED.format(root=root), 1)

    with town(tmp_path, grace="1s", change=change) as (rig, _):
        leave(root)
        before = there(root)
        ballot = ask(rig)
        is_announced(rig, ballot, root)
        done(rig, 1, ballot)
        told = what_is_left(rig, root)
        assert there(root) == before
        lines = {
            (f"looked in {root}/etc", "scope"),
            (f"cron {root}/etc/cron.d/crm", "found"),
            ("timer", "absent"),
        }
        assert lines <= {(what, state) for what, state in certified(rig, 1)}

        # What only people can do is ticked off by people.
        rig.slack.as_user("U0BOB").click("C0DELETIONS", told.ts, "copy-done")
        receipt(rig, 1, "What only people can do: 1 of 2 ticked off")
        assert "copy-done" in str(rig.rows("SELECT entry FROM audit_log"))

        ballot = asked_to_clear(rig, told)
        plan = thread(rig, ballot)
        assert all(told in plan for told in ("clear away what", *(f"{root}/{path}" for path in CLEARED)))
        done(rig, 2, ballot)
        gone = {path for path in before if path.startswith(CLEARED)}
        assert there(root) == {path: what for path, what in before.items() if path not in gone}
        kept = receipt(rig, 2, "has left was removed for good")
        assert "userdel crm" in shown_text(kept)
        assert "Ask to clear" not in str(kept.blocks)

        reference = rig.row("SELECT reference FROM backups WHERE request_id = 2")[0]
        since = rig.command("U0ERIN", "/restore", f"{reference} -- it was needed after all")
        done(rig, 3, rig.ballot(since), "U0BOB")
        assert there(root) == before
        since = rig.command("U0ALICE", "/countersign", "clear 3 -- again")
        assert "no teardown" in rig.told("U0ALICE", since)
