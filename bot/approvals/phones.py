"""Who may confirm somebody's new phone, and who may call it off. Pure."""

from bot.config.types import Config
from bot.errors import NotAllowed
from bot.model.people import Actor


def check_confirms(config: Config, actor: Actor, person: str) -> None:
    """Somebody else who may approve has to vouch for a new phone.

    Raises:
        NotAllowed: it is one's own, or the role is missing.
    """
    if person == actor.user:
        raise NotAllowed("proof.own-change")
    deciding = {role for rule in config.rules for role in rule.quorum.roles}
    if actor.roles.isdisjoint(deciding):
        raise NotAllowed("proof.change-role", roles=", ".join(sorted(deciding)))


def check_cancels(actor: Actor, person: str) -> None:
    """The person, or anybody with a role.

    Raises:
        NotAllowed: a stranger.
    """
    if person != actor.user and not actor.roles:
        raise NotAllowed("proof.change-cancel-role")
