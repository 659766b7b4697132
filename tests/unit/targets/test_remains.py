"""What a system leaves on a machine: found by name, place and content, told when it could not be looked at."""

import os
import re
import socket
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from bot.model.remains import KINDS, Remains, Unread, lines_of
from bot.targets.remains import Bounds, Residue, expanded
from bot.targets.remains_kinds import Names, kind_in, kind_of, outermost

NAMES = Names(("crm",), ("/srv/crm",), ("crm-new",))
#: A path, what is in it, and as what it is found: nothing, or its kind and why it is not for a request.
MACHINE = (
    ("etc/systemd/system/crm.service", "ExecStart=/srv/crm/run", "unit "),
    ("etc/systemd/system/crm@eu.service", "", "unit "),
    ("etc/systemd/system/crm.timer", "", "timer "),
    ("etc/systemd/system/crm-new.service", "", ""),
    ("etc/systemd/system/crm-mailer.service", "", "unit like"),
    ("etc/systemd/system/acrm.service", "", ""),
    ("etc/systemd/system/shop.service", "After=crm.service\nBefore=crm.service", "mention shared"),
    ("etc/systemd/system/multi-user.target.wants/crm.service", "->/etc/systemd/system/crm.service", "unit "),
    ("etc/cron.d/crm", "0 3 * * * root /srv/crm/nightly", "cron "),
    ("etc/cron.d/nightly", "0 3 * * * root /srv/crm/nightly", "mention shared"),
    ("etc/cron.daily/10-crm.sh", "", "cron "),
    ("var/spool/cron/crontabs/crm", "", "cron "),
    ("var/spool/cron/crontabs/root", "0 3 * * * /srv/crm/nightly\n", "mention shared"),
    ("etc/logrotate.d/crm", "", "logrotate "),
    ("etc/nginx/sites-available/crm.conf", "", "nginx "),
    ("etc/nginx/sites-available/crm.example.com", "", "nginx like"),
    ("etc/nginx/sites-enabled/the-customers", "->../sites-available/crm.conf", "nginx "),
    ("etc/nginx/sites-enabled/shop", "->../sites-available/shop", ""),
    ("etc/apache2/sites-enabled/crm.conf", "", "apache "),
    ("etc/supervisor/conf.d/crm.conf", "", "supervisor "),
    ("etc/tmpfiles.d/crm.conf", "", "tmpfiles "),
    ("etc/default/crm", "", "default "),
    ("etc/crm/settings.ini", "", "file "),
    ("etc/hosts", "10.0.0.1 crm", "mention shared"),
    ("etc/hostname", "crm-new\nacrm crmx my_crm", ""),
    ("etc/binary", "\0crm", ""),
    ("etc/ssl/private/key.pem", "crm", ""),
    ("var/log/crm/ada@example.com.log", "", "log "),
    ("var/log/crm.log.1", "", "log "),
    ("var/log/syslog", "crm started", ""),
    ("opt/eu/crm.conf", "", "declared roots"),
)


def machine(folder: Path) -> None:
    for path, content, _ in MACHINE:
        place = folder / path
        place.parent.mkdir(parents=True, exist_ok=True)
        if content.startswith("->"):
            place.symlink_to(content[2:])
        else:
            place.write_text(content)
    (folder / "etc/passwd").write_text(
        "root:x:0:0::/root:/bin/sh\ncrm:x:7:7::/srv/crm:/bin/false\nrunner:x:8:8::/srv/crm/jobs:/bin/sh\n"
        "crm-new:x:9:9::/srv/crm-new:/bin/sh\n"
    )
    (folder / "etc/group").write_text("crm:x:7:\nwww-data:x:33:crm\n")


def residue(folder: Path, hand: Callable[[str], str] = lambda _: "", **more: object) -> Residue:
    wanted: dict[str, object] = {
        "names": NAMES,
        "look_in": tuple(f"{folder}/{one}" for one in ("etc", "run", "var")),
        "patterns": (f"{folder}/opt/*/crm.conf",),
        "by_hand": lambda path: "roots" if "/opt/" in path else hand(path),
    }
    return Residue(**{**wanted, **more})  # type: ignore[arg-type]  # a table of arguments


def told(found: Remains, folder: Path) -> dict[str, str]:
    return {one.place.removeprefix(f"{folder}/"): f"{one.kind} {one.hand}" for one in found.found}


def test_everything_on_a_machine_is_found_as_what_it_is(tmp_path: Path) -> None:
    machine(tmp_path)
    found = residue(tmp_path).look()
    wanted = {path: kind for path, _, kind in MACHINE if kind}
    # A folder is told as one, and a declared pattern as itself: names inside may be somebody's.
    wanted["etc/crm"] = wanted.pop("etc/crm/settings.ini")
    wanted["var/log/crm"] = wanted.pop("var/log/crm/ada@example.com.log")
    wanted["opt/*/crm.conf"] = wanted.pop("opt/eu/crm.conf")
    wanted |= {"crm": "group group", "runner": "user user"}
    by_name = told(found, tmp_path)
    assert by_name == wanted
    assert [one.place for one in found.found if one.kind == "user"] == ["crm", "runner"]
    assert found.unread == ()
    assert set(found.absent) == set(KINDS) - {one.kind for one in found.found}
    assert "ada" not in str(found.to_data())
    assert Remains.from_data(found.to_data()) == found
    said = lines_of(found)
    assert {state for _, state in said} == {"scope", "found", "absent"}
    assert found.where == tuple(what.removeprefix("looked in ") for what, state in said if state == "scope")
    assert found.where[-1] == str(tmp_path / "opt/*/crm.conf")


def test_a_folder_that_many_share_is_nobodys_whatever_a_system_is_called(tmp_path: Path) -> None:
    machine(tmp_path)
    names = ("cron", "default", "log", "nginx", "systemd", "ssl", "spool", "supervisor", "hosts")
    found = residue(tmp_path, names=Names(names)).look()
    offered = {one.place.removeprefix(f"{tmp_path}/") for one in found.found if not one.hand}
    assert offered == {"etc/hosts"}
    assert all((tmp_path / path).is_file() for path in offered)


def test_a_program_among_the_files_is_not_read_and_a_long_text_is_told(tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/program").write_bytes(b"\x7fELF\0" + b"crm " * 30)
    (tmp_path / "etc/text").write_text("crm\n" + "x" * 100)
    found = residue(tmp_path, bounds=Bounds(file=50)).look()
    assert told(found, tmp_path) == {"etc/text": "mention shared"}
    assert [one.place for one in found.unread] == [f"{tmp_path}/etc/text"]


def test_what_could_not_be_read_is_never_absent(tmp_path: Path) -> None:
    machine(tmp_path)
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "run").symlink_to(tmp_path / "elsewhere")
    found = residue(tmp_path, roles=lambda _: ((), "no-answer")).look()
    assert {(one.kind, one.why) for one in found.unread} == {("", "link"), ("role", "no-answer")}
    assert found.absent == ()


@pytest.mark.parametrize(
    "bounds", [Bounds(things=1), Bounds(read=1), Bounds(deep=1), Bounds(file=1), Bounds(seconds=-1)]
)
def test_a_bound_that_is_reached_is_told(tmp_path: Path, bounds: Bounds) -> None:
    machine(tmp_path)
    (tmp_path / "etc/motd").write_text("x" * 100)
    found = residue(tmp_path, bounds=bounds).look()
    assert found.unread
    assert "mention" not in found.absent
    assert not found.absent or bounds.file == 1 or bounds.deep == 1


@contextmanager
def somebody_else() -> Iterator[None]:
    """Root may read everything."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


def test_what_may_not_be_read_is_told() -> None:
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        folder.chmod(0o755)
        machine(folder)
        (folder / "etc/hosts").chmod(0)
        (folder / "etc/cron.d").chmod(0)
        (folder / "etc/private").mkdir(mode=0)
        (folder / "var").chmod(0)
        with somebody_else():
            found = residue(folder).look()
        (folder / "etc/cron.d").chmod(0o755)
        (folder / "var").chmod(0o755)
    unread = {(one.kind, one.place.removeprefix(made), one.why) for one in found.unread}
    assert unread == {
        ("mention", "/etc/hosts", "no-right"),
        ("cron", "/etc/cron.d", "no-right"),
        ("file", "/etc/private", "no-right"),
        ("", "/var", "no-right"),
    }
    assert found.absent == ()


@pytest.mark.parametrize(
    ("hidden", "unsure"),
    [
        ("/etc/ssl/private", {"file", "timer", "socket", "mention"}),
        ("/etc/cron.d", {"cron", "timer", "socket", "mention"}),
        ("/etc/systemd/system/crm.service.d", {"unit", "timer", "socket", "mention"}),
        ("/etc/systemd", set(KINDS)),
        ("/var/log", {"log", "timer", "socket", "mention"}),
    ],
)
def test_a_hidden_folder_hides_what_may_lie_in_it(hidden: str, unsure: set[str]) -> None:
    found = Remains((), (Unread(kind_in(hidden), hidden, "no-right"),))
    assert set(KINDS) - set(found.absent) == unsure


def test_links_lead_nowhere_and_sockets_are_no_files(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "crm.conf").write_text("/srv/crm")
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/more").symlink_to(outside)
    (tmp_path / "etc/hosts").symlink_to(outside / "crm.conf")
    os.mkfifo(tmp_path / "etc/pipe")
    os.mkfifo(tmp_path / "etc/crm.pipe")
    (tmp_path / "run").mkdir()
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(tmp_path / "run/crm.sock"))
        found = residue(tmp_path).look()
    assert told(found, tmp_path) == {
        "etc/hosts": "file ",
        "etc/crm.pipe": "file like",
        "run/crm.sock": "socket special",
    }


def test_the_parts_of_the_system_and_other_systems_are_none_of_it(tmp_path: Path) -> None:
    machine(tmp_path)
    skip = (f"{tmp_path}/etc", f"{tmp_path}/var/log/crm")
    found = told(residue(tmp_path, skip=skip).look(), tmp_path)
    assert {path for path in found if path.startswith(("etc", "var/log/crm/"))} == set()
    assert "var/log/crm.log.1" in found


def test_patterns_are_read_anew_and_only_what_may_go_is_kept(tmp_path: Path) -> None:
    for name in ("a", "b", "c"):
        (tmp_path / "opt" / name).mkdir(parents=True)
        (tmp_path / "opt" / name / "crm.conf").touch()
    pattern = f"{tmp_path}/opt/*/crm.conf"
    one = residue(tmp_path, by_hand=lambda path: "others" if "/b/" in path else "")
    assert one.look().found[0].n == 3
    assert one.look().found[0].hand == "others"
    paths = expanded(one, [pattern, f"{tmp_path}/etc/crm"])
    assert paths == tuple(f"{tmp_path}/{path}" for path in ("opt/a/crm.conf", "opt/c/crm.conf", "etc/crm"))


NAME = st.text("abcm-_.@0", min_size=1, max_size=8)


@given(NAME, st.lists(NAME, min_size=1, max_size=3), st.lists(NAME, max_size=2))
@example("crm", ["crm"], ["crm"])
@example("crm-new.service", ["crm"], ["crm-new"])
def test_what_is_its_own_says_its_whole_name(name: str, own: list[str], others: list[str]) -> None:
    names = Names(tuple(own), (), tuple(others))
    if names.whose(name) == "own":
        said = re.sub(r"^\.*", "", name)
        assert any(said == one or re.sub(r"^\d+[-_]", "", said).startswith(one) for one in own)
    for one in own:
        if (
            one not in others
            and not one.startswith(".")
            and not any(one.startswith(other) for other in others)
        ):
            assert names.whose(one) == "own"


@given(st.lists(st.from_regex(r"(/[ab]{1,2}){1,3}", fullmatch=True), max_size=6))
def test_the_outermost_hold_all_and_none_holds_another(paths: list[str]) -> None:
    kept = outermost(paths)
    assert all(any(f"{path}/".startswith(f"{one}/") for one in kept) for path in paths)
    assert not any(a != b and f"{a}/".startswith(f"{b}/") for a in kept for b in kept)


@given(st.binary(max_size=60), st.binary(max_size=60))
def test_a_name_inside_another_word_is_no_mention(before: bytes, after: bytes) -> None:
    assert NAMES.mentions(b"crm") == 1
    line = before.replace(b"\0", b"") + b"\n" + after.replace(b"\0", b"")
    if b"crm" not in line:
        assert NAMES.mentions(line) == 0
        assert NAMES.mentions(line + b"\nx crm y") == 1
        assert NAMES.mentions(line + b"\ncrm-new xcrm crm_") == 0


def test_kinds_are_told_by_the_folders_above() -> None:
    assert kind_of("/etc/systemd/system/crm.service.d/override.conf") == "unit"
    assert kind_of("/x/etc/nginx/conf.d/crm.conf") == "nginx"
    assert kind_of("/etc/logistics/crm") == "file"
