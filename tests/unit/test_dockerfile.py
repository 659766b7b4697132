"""The image, as far as it can be proven without a container engine: its lines, and its install step carried out."""

import fnmatch
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PREFIX = "/opt/countersign"
#: pip's words for "there is no way out of this machine".
OFFLINE = ("Connection", "connection", "Temporary failure", "No matching distribution", "ReadTimeout")


def instructions() -> list[tuple[str, str]]:
    """The Dockerfile as (word, rest), comments gone and continued lines joined."""
    text = re.sub(r"^#.*\n", "", (ROOT / "Dockerfile").read_text(encoding="utf-8"), flags=re.MULTILINE)
    lines = [line.strip() for line in text.replace("\\\n", " ").splitlines() if line.strip()]
    return [(word, " ".join(rest.split())) for word, _, rest in (line.partition(" ") for line in lines)]


def stages() -> list[list[tuple[str, str]]]:
    found: list[list[tuple[str, str]]] = []
    for word, rest in instructions():
        if word == "FROM":
            found.append([])
        found[-1].append((word, rest))
    return found


BUILD, FINAL = stages()


def of(stage: Sequence[tuple[str, str]], word: str) -> list[str]:
    return [rest for one, rest in stage if one == word]


def environment() -> dict[str, str]:
    return dict(part.split("=", 1) for line in of(FINAL, "ENV") for part in shlex.split(line))


def copied() -> list[tuple[list[str], str]]:
    """What the build stage takes from the sources: ([source, …], place)."""
    return [(words[:-1], words[-1]) for words in (rest.split() for rest in of(BUILD, "COPY"))]


def test_it_knows_no_word_but_those_of_a_dockerfile() -> None:
    words = {word for word, _ in instructions()}
    assert words <= {
        "FROM",
        "WORKDIR",
        "COPY",
        "RUN",
        "ENV",
        "USER",
        "VOLUME",
        "EXPOSE",
        "HEALTHCHECK",
        "STOPSIGNAL",
        "CMD",
    }


def test_both_stages_stand_on_the_same_slim_python() -> None:
    bases = [rest.split()[0] for stage in (BUILD, FINAL) for rest in of(stage, "FROM")]
    assert len(set(bases)) == 1
    assert re.fullmatch(r"python:3\.1[1-9]-slim", bases[0])


def test_only_the_installed_program_reaches_the_final_stage() -> None:
    assert of(FINAL, "COPY") == [f"--from=build {PREFIX} {PREFIX}"]


def test_it_does_not_run_as_root() -> None:
    (user,) = of(FINAL, "USER")
    assert user == "countersign"
    words = [word for word, _ in FINAL]
    assert words.index("USER") > max(number for number, word in enumerate(words) if word in ("RUN", "COPY"))


@pytest.mark.parametrize("user", ["countersign", "countersign-bot", "countersign-worker"])
def test_the_user_is_made_with_a_number_of_its_own(user: str) -> None:
    (made,) = re.findall(rf"useradd --uid (\d+) [^&]*/nologin {user}(?= |$)", of(FINAL, "RUN")[0])
    assert of(FINAL, "RUN")[0].count(f"--uid {made} ") == 1


def test_two_users_can_share_the_database_but_not_the_keys() -> None:
    run = of(FINAL, "RUN")[0]
    assert "install -d -m 2770 -o countersign -g countersign /data" in run
    assert "install -m 0660 -o countersign -g countersign /dev/null /data/countersign.db" in run


def test_it_listens_where_a_container_must_and_keeps_its_data_in_the_volume() -> None:
    told = environment()
    assert told["COUNTERSIGN_HTTP"] == "0.0.0.0:8000"
    assert told["COUNTERSIGN_DATA_DIR"] == "/data"
    assert of(FINAL, "VOLUME") == ["/data"]
    assert of(FINAL, "EXPOSE") == ["8000"]
    assert told["PATH"].startswith(f"{PREFIX}/bin:")


def test_it_starts_the_program_itself_so_that_a_stop_reaches_it() -> None:
    (command,) = of(FINAL, "CMD")
    assert json.loads(command) == ["countersign", "serve"]


def test_the_health_check_asks_the_health_page() -> None:
    (check,) = of(FINAL, "HEALTHCHECK")
    words = json.loads(check[check.index("[") :])
    assert words[:2] == ["python", "-c"]
    assert "http://127.0.0.1:8000/healthz" in words[2]
    compile(words[2], "HEALTHCHECK", "exec")


def test_what_is_copied_is_there_and_not_ignored() -> None:
    lines = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if line and line[0] != "#"]
    kept = {line[1:] for line in lines if line.startswith("!")}
    assert lines[0] == "*"
    assert {source for sources, _ in copied() for source in sources} == kept
    assert [source for source in kept if not (ROOT / source).exists()] == []


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The build stage's COPY and RUN lines, carried out in folders of their own; returns the prefix."""
    source, prefix = tmp_path_factory.mktemp("src"), tmp_path_factory.mktemp("opt") / "countersign"
    for names, place in copied():
        for name in names:
            there = source / place if (ROOT / name).is_dir() else source / place / name
            copy(ROOT / name, there)
    (step,) = of(BUILD, "RUN")
    step = step.replace(PREFIX, shlex.quote(str(prefix))).replace(
        "python -m venv", f"{shlex.quote(sys.executable)} -m venv", 1
    )
    step += " --quiet --disable-pip-version-check --retries 1"
    done = subprocess.run(step, shell=True, cwd=source, capture_output=True, text=True, check=False)
    if done.returncode and "CI" not in os.environ and any(word in done.stderr for word in OFFLINE):
        pytest.skip("the package index cannot be reached from here")
    assert done.returncode == 0, done.stderr
    return prefix


def copy(source: Path, place: Path) -> None:
    ignored = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("**/")]
    if source.is_file():
        shutil.copy(source, place)
        return
    shutil.copytree(source, place, ignore=shutil.ignore_patterns(*(line[3:] for line in ignored)))


def run(image: Path, where: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """One command of the image, from a folder that is not the sources, with nothing but the image's own PATH."""
    env = {"PATH": f"{image}/bin:/usr/bin:/bin", "HOME": str(where), "LANG": "C.UTF-8"}
    return subprocess.run(
        words,
        cwd=where,
        env=env,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )


@pytest.mark.slow
@pytest.mark.xdist_group("image")
def test_the_image_can_say_its_version(image: Path, tmp_path: Path) -> None:
    done = run(image, tmp_path, "countersign", "--version")
    assert (done.returncode, done.stderr) == (0, "")
    assert re.fullmatch(r"countersign \d+\.\d+\.\d+\n", done.stdout)


@pytest.mark.slow
@pytest.mark.xdist_group("image")
@pytest.mark.parametrize(
    "command", ["serve", "sandbox", "check", "backup list", "audit verify", "policy simulate"]
)
def test_the_image_can_explain_its_commands(image: Path, tmp_path: Path, command: str) -> None:
    done = run(image, tmp_path, "countersign", *command.split(), "--help")
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.slow
@pytest.mark.xdist_group("image")
def test_the_image_holds_everything_that_is_not_python(image: Path) -> None:
    (site,) = (image / "lib").glob("python3.*/site-packages")
    kinds = ("*.po", "*.mako", "*.sql", "*.yml")
    wanted = {
        path.relative_to(ROOT).as_posix()
        for room in ("bot", "handlers")
        for path in (ROOT / room).rglob("*")
        if any(fnmatch.fnmatch(path.name, kind) for kind in kinds)
    }
    assert wanted
    assert {name for name in wanted if not (site / name).is_file()} == set()


@pytest.mark.slow
@pytest.mark.xdist_group("image")
def test_the_image_plays_the_whole_story(image: Path, tmp_path: Path) -> None:
    done = run(image, tmp_path, "countersign", "sandbox", "--script")
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr


@pytest.mark.slow
@pytest.mark.xdist_group("image")
def test_the_image_without_a_configuration_says_so(image: Path, tmp_path: Path) -> None:
    done = run(image, tmp_path, "countersign", "serve")
    assert done.returncode == 2
    assert f"There is no file {tmp_path}/countersign.yml" in done.stderr
    assert "Traceback" not in done.stderr
