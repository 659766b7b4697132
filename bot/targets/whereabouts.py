"""What every holding that moves has in common, whatever it moves by."""

from pathlib import PurePosixPath

from bot.errors import CannotProve
from bot.targets.ground import Ground
from bot.targets.system import Whereabouts


def require_one(now: Whereabouts, place: str) -> None:
    """Return when it is in one place: where it was, or set aside.

    Raises:
        CannotProve: it is in both, or in neither.
    """
    if now in ("both", "gone"):
        raise CannotProve(f"files.is-{now}", path=place)


def database_of(ground: Ground, database: str, into: str) -> str:
    """The database that a restore makes: the same name, or that of the folder everything goes into.

    Raises:
        NotAllowed: the folder is not under an allowed root.
    """
    if not into:
        return database
    ground.root_of(into)
    return PurePosixPath(into).parent.name
