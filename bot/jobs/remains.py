"""From the configuration of a target to what is looked for besides its parts."""

from collections.abc import Callable, Collection, Iterator, Sequence
from pathlib import Path

from bot.config.system_types import SystemResidue
from bot.config.types import Target
from bot.errors import CannotProve, NotAllowed
from bot.model.remains import Remain
from bot.operations.clearing import Leftover
from bot.targets import kind_of
from bot.targets.ground import Ground
from bot.targets.machine_people import Machine, MachinePeople
from bot.targets.mysql_admin import Administration as MysqlAdministration
from bot.targets.mysql_roles import ServerAccounts
from bot.targets.mysql_users import require_rights as require_rights_to_accounts
from bot.targets.postgresql_account_moves import require_rights
from bot.targets.postgresql_admin import Administration
from bot.targets.postgresql_roles import DatabaseRoles
from bot.targets.remains import Residue, Roles
from bot.targets.remains_kinds import Names, outermost


def residue_of(
    spec: Target,
    own: Sequence[str],
    strangers: Sequence[str],
    others: Sequence[Target],
    ours: Sequence[str],
    parts: Sequence[Leftover] = (),
) -> Residue | None:
    """What is looked for; None when nothing is declared.

    Args:
        spec: the target.
        own: the places of its parts.
        strangers: the places of other systems.
        others: those systems.
        ours: files and folders of our own.
        parts: what a request clears away now, which is no residue.
    """
    if spec.residue is None:
        return None
    names = spec.residue.names or (spec.name,)
    theirs = {
        name for other in others for name in (other.name, *(other.residue.names if other.residue else ()))
    }
    return Residue(
        names=Names(names, outermost(own), tuple(sorted(theirs - set(names)))),
        look_in=outermost(spec.residue.look_in),
        patterns=spec.residue.files,
        skip=tuple(dict.fromkeys([*own, *strangers, *ours])),
        by_hand=_by_hand(Ground(spec.roots, [*own, *strangers, *ours])),
        roles=_roles(spec, names, frozenset(one.role for one in parts if one.role and not one.kind)),
        people=_people(spec.residue, ours, parts),
        may=tuple(_may(spec, spec.residue)),
    )


def _people(wanted: SystemResidue, ours: Sequence[str], parts: Sequence[Leftover]) -> MachinePeople | None:
    if wanted.machine_accounts != "clear":
        return None
    now = [(one.kind, one.role) for one in parts if one.kind]
    return MachinePeople(Path(wanted.root), ours, now)


def _by_hand(ground: Ground) -> Callable[[str], str]:
    def why(path: str) -> str:
        try:
            ground.root_of(path)
        except NotAllowed:
            return "roots"
        except CannotProve:
            return "others"
        return ""

    return why


def _may(spec: Target, wanted: SystemResidue) -> Iterator[Callable[[], None]]:
    if wanted.accounts == "clear" and kind_of(spec.address) == "postgresql":
        yield lambda: require_rights(Administration(spec.name, spec.address))
    elif wanted.accounts == "clear":
        yield lambda: require_rights_to_accounts(MysqlAdministration(spec.name, spec.address))
    if wanted.machine_accounts == "clear":
        yield Machine(Path(wanted.root)).may


def _roles(spec: Target, names: Sequence[str], parts: Collection[str]) -> Roles | None:
    kind = kind_of(spec.address)
    if spec.database is None or kind == "sqlite":
        return None
    if not spec.database.is_whole:
        # A role that has to do with nothing but the database may be another system's in it.
        return lambda _: ((), "schemas")
    clear = spec.residue is not None and spec.residue.accounts == "clear"
    look = DatabaseRoles if kind == "postgresql" else ServerAccounts
    ask: Roles = look(spec.name, spec.address, names, clear=clear)

    def but(known: Sequence[str]) -> tuple[Sequence[Remain], str]:
        found, why = ask(known)
        return [one for one in found if one.place not in parts], why

    return but
