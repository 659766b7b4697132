"""Replicas as a brake: a large operation goes on only while those who follow the server can."""

from datetime import timedelta

from bot.errors import BadInput, CannotProve
from bot.model.plans import Told
from bot.targets.base import RecordTarget, Replicas


def told(target: RecordTarget, lag: timedelta | None) -> tuple[Told, ...]:
    """What a plan in several parts says about replicas; nothing when none is to be waited for.

    Raises:
        CannotProve: our user may not see them; with the statement that would allow it.
        BadInput: this kind of database does not tell.
    """
    if lag is None:
        return ()
    found = _seen(target)
    seconds = max(1, int(lag.total_seconds()))
    key = "told.replicas" if found.count else "told.no-replica"
    return (Told(key, {"n": found.count, "seconds": seconds} if found.count else {"target": target.name}),)


def is_behind(target: RecordTarget, lag: timedelta) -> bool:
    """Whether one of them is further behind right now; raises as ``told``."""
    found = _seen(target)
    return found.catching_up > 0 or found.seconds > lag.total_seconds()


def _seen(target: RecordTarget) -> Replicas:
    found = target.replicas()
    if found is None:
        raise BadInput("replicas.unknown", target=target.name)
    if found.grants:
        raise CannotProve(
            "operations.missing-rights", target=target.name, grants="; ".join(found.grants) + ";"
        )
    return found
