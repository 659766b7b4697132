"""``countersign sandbox``: play the story, then stay up for whoever wants to try more."""

import sys

from rich.console import Console
from rich.text import Text

from bot.errors import CountersignError
from bot.sandbox.prompt import Prompt
from bot.sandbox.stage import Stage
from bot.sandbox.story import play
from bot.sandbox.story_teardown import Teardown
from bot.texts import say


def run_sandbox(*, script: bool, port: int, http: bool) -> int:
    """Play the story; with ``script`` end with its verdict, else go on with a prompt.

    With ``http`` Slack delivers by signed HTTP requests instead of Socket Mode.

    Returns:
        0 when the story was true, 1 when it was not.
    """
    console = Console(highlight=False, soft_wrap=False)
    console.print(Text(say("sandbox.starting"), "dim"))
    try:
        with Stage(port, http=http) as stage:
            code = play(stage, console, lambda story: Teardown(stage, story).play())
            if script or code:
                if code:
                    console.print(
                        Text(stage.log.read_text(encoding="utf-8", errors="replace")[-4000:], "dim")
                    )
                return code
            if sys.stdin.isatty():
                Prompt(stage, console, input).run()
            return 0
    except CountersignError as error:
        console.print(Text(say(error.key, **error.params), "bold red"))
        return 1
