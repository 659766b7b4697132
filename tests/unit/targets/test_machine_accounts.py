"""Users and groups with the real programs, in lists of their own: cut short at every file, locked, and looked at."""

import itertools
import os
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from bot.errors import CannotProve, NotAllowed, TargetDown
from bot.targets import machine_looks as looks
from bot.targets import machine_programs as programs
from bot.targets.machine_holdings import MachineGroup, MachineUser, holding_of
from bot.targets.machine_lines import Kind
from bot.targets.machine_people import Machine, MachinePeople
from bot.targets.quarantine import FOLDER
from tests.fakes import machine
from tests.fakes.backup_streams import MemoryBackup

OP, BACK = "t7", "r8"
#: In this order they are written.
LISTS = ("passwd", "shadow", "group", "gshadow")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return machine.machine(tmp_path / "root")


def own(
    root: Path, users: tuple[str, ...] = ("app", "crm"), groups: tuple[str, ...] = ("crm", "old")
) -> Machine:
    return Machine(root, users=frozenset(users), groups=frozenset(groups), proc=machine.processes(root))


def copied(one: MachineUser | MachineGroup) -> MemoryBackup:
    backup = MemoryBackup()
    one.copy(backup)
    return backup.sealed()


def texts(root: Path) -> dict[str, bytes]:
    return {name: (root / "etc" / name).read_bytes() for name in LISTS}


def put(root: Path, what: dict[str, bytes]) -> None:
    for name, text in what.items():
        (root / "etc" / name).write_bytes(text)


ACCOUNTS: tuple[tuple[Kind, str], ...] = (("user", "app"), ("user", "crm"), ("group", "old"))


@pytest.mark.parametrize(("kind", "name"), ACCOUNTS)
def test_set_aside_and_back_is_one_file_and_nothing_else(root: Path, kind: Kind, name: str) -> None:
    one, before = holding_of(kind, "part", own(root), name), texts(root)
    backup = copied(one)
    one.rehearse(OP, backup)
    assert texts(root) == before
    one.set_aside(OP, backup)
    changed = [which for which, text in texts(root).items() if text != before[which]]
    assert changed == ["shadow" if kind == "user" else "gshadow"]
    # Of another request it is in its place.
    assert [one.whereabouts(other) for other in (OP, "t77", "t70")] == ["set-aside", "in-place", "in-place"]
    one.put_back(OP)
    assert texts(root) == before


#: The last one with the group that goes with it.
GOING: tuple[tuple[tuple[Kind, str], ...], ...] = (
    (("user", "app"),),
    (("group", "old"),),
    (("user", "crm"), ("group", "crm")),
)


@pytest.mark.parametrize("going", GOING)
@pytest.mark.parametrize("written", range(5))
def test_a_removal_that_ends_after_any_file_is_ended_by_the_next(
    root: Path, going: tuple[tuple[Kind, str], ...], written: int
) -> None:
    ones = [holding_of(kind, f"part {kind}", own(root), name) for kind, name in going]
    others, name = machine.lines(root, "root", "daemon"), going[0][1]
    backups = [copied(one) for one in ones]
    for one, backup in zip(ones, backups, strict=True):
        one.set_aside(OP, backup)
    before = texts(root)
    ones[0].remove(OP, backups[0])
    after = texts(root)
    put(root, {which: (after if at < written else before)[which] for at, which in enumerate(LISTS)})
    for one, backup in zip(ones, backups, strict=True):
        one.remove(OP, backup)
        assert one.whereabouts(OP) == "gone"
    assert machine.lines(root, name) == []
    assert {which: sorted(text.split()) for which, text in texts(root).items()} == {
        which: sorted(text.split()) for which, text in after.items()
    }
    assert machine.lines(root, "root", "daemon") == others


@pytest.mark.parametrize(("kind", "name"), [("user", "app"), ("group", "old")])
@pytest.mark.parametrize("written", range(5))
def test_a_restore_that_ends_after_any_file_begins_anew_and_is_whole(
    root: Path, kind: Kind, name: str, written: int
) -> None:
    one, whole = holding_of(kind, "part", own(root), name), machine.lines(root, name)
    backup = copied(one)
    one.set_aside(OP, backup)
    one.remove(OP, backup)
    before = texts(root)
    one.prepare(BACK, backup)
    after = texts(root)
    put(root, {which: (after if at < written else before)[which] for at, which in enumerate(LISTS)})
    one.require_room()
    one.prepare(BACK, backup)
    one.appear(BACK)
    assert machine.lines(root, name) == whole


def test_half_an_account_of_somebody_else_is_in_the_way(root: Path) -> None:
    one = MachineUser("part", own(root), "app")
    backup = copied(one)
    one.set_aside(OP, backup)
    one.remove(OP, backup)
    passwd = root / "etc/passwd"
    passwd.write_text(passwd.read_text() + "app:x:31999:31033:another:/:/bin/sh\n")
    with pytest.raises(CannotProve, match="in-the-way"):
        one.prepare(BACK, backup)
    assert "another" in passwd.read_text()


def test_what_a_restore_lacks_or_finds_taken_is_told_by_name(root: Path) -> None:
    one = MachineUser("part", own(root), "app")
    kept = one.copy(MemoryBackup())
    backup = copied(one)
    one.set_aside(OP, backup)
    one.remove(OP, backup)
    machine.run(root, "useradd", "-M", "-g", "daemon", "--uid", "31999", "eve")
    with pytest.raises(CannotProve, match="taken") as caught:
        one.prepare(BACK, backup)
    with pytest.raises(CannotProve, match="taken") as caught:
        one.require_accounts(kept)
    assert caught.value.params["other"] == "eve"
    machine.run(root, "userdel", "eve")
    machine.run(root, "groupdel", "logs")
    with pytest.raises(CannotProve, match="no-group") as caught:
        one.require_accounts(kept)
    assert caught.value.params["groups"] == "logs"
    with pytest.raises(NotAllowed, match="no-folder"):
        one.require_room("/somewhere")


def ended(child: "subprocess.Popen[bytes]") -> None:
    """After a while; it counts as living until somebody has asked how it ended."""
    with suppress(subprocess.TimeoutExpired):
        child.wait(0.5)
    child.kill()
    child.wait()


def holds_the_lock(root: Path) -> subprocess.Popen[bytes]:
    """Somebody who is changing the lists, as long as he lives."""
    code = "import os, sys; open(sys.argv[1], 'w').write(f'{os.getpid()}\\0'); print(flush=True); sys.stdin.read()"
    lock = root / "etc/shadow.lock"
    child = subprocess.Popen(
        [sys.executable, "-c", code, lock], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert child.stdout is not None
    child.stdout.readline()
    return child


def test_a_lock_of_the_living_is_waited_for_and_one_of_the_dead_is_none(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with holds_the_lock(root) as child:
        monkeypatch.setattr(programs, "_LOCKED", 0.3)
        with pytest.raises(TargetDown, match="locked"):
            programs.change(root, "usermod", "--expiredate", "200", "app")
        monkeypatch.setattr(programs, "_LOCKED", 30.0)
        ends = threading.Thread(target=ended, args=[child])
        ends.start()
        programs.change(root, "usermod", "--expiredate", "200", "app")
        ends.join()
    assert "app:*:19999:0:99999:7:30:200:" in machine.lines(root, "app")[-1]
    assert not list((root / "etc").glob("*.lock"))


def test_a_program_that_refuses_is_told(root: Path) -> None:
    with pytest.raises(TargetDown, match="refused") as caught:
        programs.change(root, "usermod", "--expiredate", "200", "nobody-of-this-name")
    assert caught.value.params["program"] == "usermod"


def test_a_program_that_is_not_there_is_told_before_anything_is_done(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = MachineUser("part", own(root), "app")
    monkeypatch.setattr(programs, "_PATH", str(root))
    for attempt in (one.survey, one.require_free, one.require_room):
        with pytest.raises(TargetDown, match="no-program"):
            attempt()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become a user with some of its rights")
@pytest.mark.skipif(shutil.which("setpriv") is None, reason="setpriv is not there")
@pytest.mark.parametrize("right", ["", "fowner", "chown"])
def test_the_rights_of_the_unit_are_enough_and_each_that_is_lacking_is_told(right: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        # What stands above the lists is asked for without those rights, where it is not the machine's own.
        Path(folder).chmod(0o755)
        works_with_the_rights_of_the_unit(machine.machine(Path(folder)), right)


def works_with_the_rights_of_the_unit(root: Path, right: str) -> None:
    held = [
        one for one in ("dac_override", "chown", "fowner", "fsetid", "kill", "sys_ptrace") if one != right
    ]
    caps = ",".join(f"+{one}" for one in held)
    words = ["setpriv", "--reuid=65533", "--regid=65533", "--clear-groups", f"--inh-caps=-all,{caps}"]
    words += [f"--ambient-caps=-all,{caps}", f"--bounding-set=-all,{caps}", "--no-new-privs"]
    code = (
        "import sys; from pathlib import Path; from bot.targets import machine_programs as m\n"
        "root = Path(sys.argv[1]); m.require_programs(root)\n"
        "m.change(root, 'usermod', '--expiredate', '200', 'app'); m.change(root, 'userdel', 'app')\n"
        "m.change(root, 'groupdel', 'old'); m.make_group(root, m.GroupFacts(('old', 'x', '31996', ''), ()), '!')\n"
    )
    done = subprocess.run(
        [*words, sys.executable, "-c", code, root], check=False, capture_output=True, text=True
    )
    if right:
        assert "machine." in done.stderr
        assert "app" in (root / "etc/passwd").read_text()
    else:
        assert done.stderr == ""
        assert "app" not in (root / "etc/passwd").read_text()
        assert {(root / "etc" / name).stat().st_uid for name in LISTS} == {0}


# What they have to do with


def test_processes_of_this_machine_are_seen_by_their_user_and_their_groups() -> None:
    mine: Iterator[tuple[Kind, int]] = iter((("user", os.getuid()), ("group", os.getgid())))
    for kind, number in mine:
        assert os.getpid() in {one.pid for one in looks.users_of(kind, number, "").users}
    assert looks.users_of("user", 31998, "").users == ()
    # Where the first process is not seen, others may be hidden, too.
    assert looks.users_of("user", 31998, "", Path("/proc/self/nothing")).hidden


def test_where_processes_are_hidden_nobody_is_idle(root: Path) -> None:
    proc = machine.processes(root)
    assert looks.users_of("user", 31998, "", proc).free
    shutil.rmtree(proc / "1")
    assert not looks.users_of("user", 31998, "", proc).free
    (proc / "1" / "status").mkdir(parents=True)
    assert looks.users_of("user", 31998, "", proc).hidden == 1


def test_any_file_of_the_number_is_found_but_what_goes_too(tmp_path: Path) -> None:
    uid, gid = os.getuid(), os.getgid()
    numbers: set[tuple[Kind, int]] = {("user", uid), ("group", gid), ("user", 31998)}
    (tmp_path / "a/b").mkdir(parents=True)
    (tmp_path / "a/b/link").symlink_to("/nowhere")
    found = looks.search(tmp_path, numbers, (), "")
    assert found.finished
    assert set(found.found) == {("user", uid), ("group", gid)}
    assert not looks.search(tmp_path, numbers, (), "", seconds=-1).finished
    assert not looks.search(tmp_path / "not there", numbers, (), "").finished


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_what_goes_too_and_what_is_set_aside_with_it_keeps_nobody(tmp_path: Path) -> None:
    aside = tmp_path / FOLDER
    for folder in ("log/crm", f"{FOLDER}/{OP}/part", f"{FOLDER}/t9/part"):
        (tmp_path / folder).mkdir(parents=True)
        os.chown(tmp_path / folder, 31998, 31997)
    number: tuple[Kind, int] = ("user", 31998)
    told = {
        (skip, operation): looks.search(tmp_path, {number}, skip, operation).found.get(number, "")
        for skip, operation in itertools.product(((), (f"{tmp_path}/log/crm",)), ("", OP))
    }
    log, other = f"{tmp_path}/log/crm", f"{aside}/t9/part"
    assert told[(), ""] == log
    assert told[(), OP] in (log, other)
    assert told[(log,), ""] == ""
    # When it is removed for good, what others have set aside may come back.
    assert told[(log,), OP] == other


MOUNTS = """22 1 8:1 / / rw - ext4 /dev/sda1 rw
23 22 0:5 / /proc rw - proc proc rw
24 22 8:2 / /srv/with\\040space rw - xfs /dev/sdb rw
25 22 0:9 / /mnt/share rw - nfs4 server:/x rw
26 22 0:10 / /mnt/keys rw - fuse.sshfs user@host: rw
27 22 8:3 / /mnt/windows rw - fuseblk /dev/sdc rw
"""


def test_what_is_mounted_is_looked_at_but_for_what_other_machines_hold(tmp_path: Path) -> None:
    (tmp_path / "self").mkdir()
    (tmp_path / "self/mountinfo").write_text(MOUNTS)
    assert looks._mounts(tmp_path) == (["/", "/mnt/windows", "/srv/with space"], ["/mnt/keys", "/mnt/share"])
    assert looks._mounts(tmp_path / "self") == ([], [])
    # Nobody says what is mounted, so nothing was looked at.
    assert not looks.search(Path("/"), {("user", 31998)}, (), "", tmp_path / "self").finished


def test_homes_jobs_and_lines_that_name_somebody_keep_him(root: Path) -> None:
    assert looks.home_of(root, "/nowhere/at/all", (), shared=False) == ""
    for folder in ("people/crm", "var/spool/cron/crontabs", "etc/sudoers.d", "var/lib/dpkg/info"):
        (root / folder).mkdir(parents=True)
    assert looks.home_of(root, "/people/crm", (), shared=False) == "home"
    assert looks.home_of(root, "/people/crm", ("/people/crm",), shared=False) == ""
    assert looks.home_of(root, "/people/crm", (), shared=True) == ""
    (root / "people/crm/.ssh").mkdir()
    assert looks.home_of(root, "/people/crm", (), shared=True) == "keys"
    assert looks.jobs_of(root, "crm") == ""
    (root / "var/spool/cron/crontabs/crm").touch()
    assert looks.jobs_of(root, "crm") == "jobs"
    told = {
        "etc/sudoers.d/a": ("# crm is a fine name\ncrm-new ALL=(ALL) ALL\n", ""),
        "var/lib/dpkg/info/crm.list": ("/etc/crm crm\n", ""),
        "var/lib/dpkg/info/crm.postinst": ("adduser --system crm\n", "named"),
        "etc/crontab": ("0 3 * * *\tcrm /nightly\n", "named"),
    }
    for place, (text, said) in told.items():
        (root / place).write_text(text)
        word, where = looks.named_in(root, "crm", ())
        assert (word, where) == (said, str(root / place) if said else "")
        if said:
            assert looks.named_in(root, "crm", (str(root / place),)) == ("", "")
            (root / place).unlink()


def test_a_look_tells_each_with_its_reason_and_those_that_need_each_other_alike(root: Path) -> None:
    ask = MachinePeople(root, ())
    found = [("user", "crm"), ("group", "crm"), ("group", "old"), ("user", "ada"), ("user", "nobody-here")]

    def told() -> dict[str, str]:
        return {f"{one.kind} {one.place}": one.hand for one in ask(found, ())}

    assert told() == {
        "user crm": "",
        "group crm": "",
        "group old": "",
        "user ada": "user.password",
        "user nobody-here": "user.odd",
    }
    # Found by his home alone, a user takes his own group along.
    assert [(one.kind, one.place, one.hand) for one in ask([("user", "crm"), ("user", "ada")], ())] == [
        ("user", "crm", ""),
        ("user", "ada", "user.password"),
        ("group", "crm", ""),
    ]
    (root / "etc/crontab").write_text("0 3 * * * crm /nightly\n")
    assert [told()[one] for one in ("user crm", "group crm", "group old")] == [
        "user.named",
        "group.named",
        "",
    ]
    (root / "etc/crontab").unlink()
    machine.run(root, "usermod", "-aG", "crm", "ada")
    assert [told()[one] for one in ("user crm", "group crm")] == ["user.group", "group.members"]
    shutil.rmtree(root / "etc")
    assert set(told().values()) == {"user.odd", "group.odd"}
