"""What goes wrong while there is no connection yet."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

from bot.errors import CannotProve, TargetDown


@contextmanager
def opening(target: str, translated: Callable[[str], AbstractContextManager[None]]) -> Iterator[None]:
    """Driver errors inside become ours, as ``translated`` does it; a refusal or a loss is no way to it.

    Raises:
        TargetDown: the database cannot be reached, or does not let us in.
    """
    try:
        with translated(target):
            yield
    except CannotProve:
        raise TargetDown("target.unreachable", target=target) from None
    except TargetDown as error:
        if error.key == "target.lost":
            raise TargetDown("target.unreachable", target=target) from None
        raise
