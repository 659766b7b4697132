"""``countersign sandbox``: the page, the story if it is wanted, and a prompt, until somebody ends it."""

import signal
import sys
import threading
from types import FrameType

from rich.console import Console
from rich.panel import Panel
from rich.text import Text

from bot.errors import Broken, CountersignError
from bot.sandbox.page.server import Page
from bot.sandbox.page.show import Show
from bot.sandbox.prompt import Prompt
from bot.sandbox.stage import Stage
from bot.sandbox.story import play
from bot.sandbox.story_teardown import Teardown
from bot.texts import say


def run_sandbox(*, story: bool, script: bool, port: int, http: bool, codes: bool = False) -> int:
    """Open the page and stay up; with ``story`` play the story first, with ``script`` end with its verdict.

    With ``http`` Slack delivers by signed HTTP requests instead of Socket Mode. ``port`` is the page's. With
    ``codes`` a small deletion is approved with one-time codes.

    Returns:
        0 when all went well, 1 when the story was not true or something did not start.
    """
    console = Console(highlight=False, soft_wrap=False)
    console.print(Text(say("sandbox.starting"), "dim"))
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        with Stage(http=http, codes=codes) as stage:
            show = Show(stage.slack, stage.home, lambda: stage.serve)
            with _opened(Page(show, port)) as page:
                text = Text(say("sandbox.page", address=page.address), "bold")
                console.print(Panel(text, border_style="green", expand=False))
                code = _played(stage, console) if story or script else 0
                if script or code:
                    return code
                show.begin_tour()
                _stay(stage, console)
    except KeyboardInterrupt:
        pass  # the usual end
    except CountersignError as error:
        console.print(Text(say(error.key, **error.params), "bold red"))
        return 1
    return 0


def _opened(page: Page) -> Page:
    try:
        page.start()
    except OSError:
        raise Broken("sandbox.port-taken", port=page.port) from None
    return page


def _played(stage: Stage, console: Console) -> int:
    code = play(stage, console, lambda story: Teardown(stage, story).play())
    if code:
        log = stage.log.read_text(encoding="utf-8", errors="replace")
        console.print(Text(log[-4000:], "dim"))
    return code


def _stay(stage: Stage, console: Console) -> None:
    """Until somebody ends it: at a terminal with a prompt, else by a signal."""
    if sys.stdin.isatty():
        Prompt(stage, console, input).run()
    else:
        threading.Event().wait()


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt
