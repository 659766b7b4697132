"""Something done as another user of this machine, in a process of its own."""

import os
import pickle
import shutil
import tempfile
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar, cast

from bot.errors import CountersignError
from bot.texts import say

Made = TypeVar("Made")
#: Nobody's.
WORKER = 10003


@contextmanager
def shared_folder() -> Iterator[Path]:
    """A folder that every user may enter."""
    folder = Path(tempfile.mkdtemp(prefix="countersign-users-"))
    folder.chmod(0o755)
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


def as_worker(do: Callable[[], object]) -> tuple[str, str]:
    """What became of it: the key and the sentence of a refusal; empty when it went well.

    Anything else that is raised fails the test with its own words.
    """
    key, sentence, _ = _forked(do)
    return key, sentence


def made_by_worker(do: Callable[[], Made]) -> Made:
    """What it made, brought back into this process."""
    key, sentence, made = _forked(do)
    assert not key, sentence
    return cast("Made", made)


def refusal(do: Callable[[], object]) -> tuple[str, str]:
    """The same as ``as_worker``, in this process and as whoever runs the tests."""
    try:
        do()
    except CountersignError as error:
        return error.key, say(error.key, **error.params)
    return "", ""


def _forked(do: Callable[[], Any]) -> tuple[str, str, Any]:
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(reading)
        try:
            with os.fdopen(writing, "wb") as answer:
                answer.write(pickle.dumps(_outcome(do)))
        finally:
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        raw = pipe.read()
    os.waitpid(pid, 0)
    key, params, made = pickle.loads(raw)  # written by ourselves, above
    assert key != "broken", params
    # The catalogue may lie where the other user cannot go.
    return str(key), say(key, **params) if key else "", made


def _outcome(do: Callable[[], object]) -> tuple[str, object, object]:
    try:
        os.setgroups([])
        os.setgid(WORKER)
        os.setuid(WORKER)
        return "", {}, do()
    except CountersignError as error:
        return error.key, dict(error.params), None
    except BaseException:  # noqa: BLE001 - it is told in the process that asked
        return "broken", traceback.format_exc(), None
