"""Names that rules mention and nothing carries: each is an error, with the name that was probably meant."""

import re
from collections.abc import Iterable
from typing import Any

from bot.config.lines import Sheet
from bot.config.problems import Place
from bot.config.values import nearest, short


def check_names(sheet: Sheet) -> None:
    """Report unknown roles, targets, records and environments of rules, and two rules of one name.

    Works on the tree as read, so that it also reports when other parts of the file are wrong.
    """
    roles = _mapping(sheet.tree.get("roles"))
    targets = _mapping(sheet.tree.get("targets"))
    seen: dict[str, int] = {}
    for number, rule in enumerate(_list(sheet.tree.get("rules"))):
        if not isinstance(rule, dict):
            continue
        place: Place = ("rules", number)
        _check_rule_name(sheet, place, rule, seen)
        _check_roles(sheet, place, rule, roles)
        _check_when(sheet, (*place, "when"), _mapping(rule.get("when")), targets)
    _check_copies(sheet, targets, roles)
    for name, target in targets.items():
        _check_successors(sheet, name, _mapping(target), targets)
    for number, closed in enumerate(_list(_mapping(sheet.tree.get("calendar")).get("closed"))):
        for here, name in _named(_mapping(closed), ("calendar", "closed", number), "targets"):
            _check(sheet, here, "target", name, targets)


def _check_copies(sheet: Sheet, targets: dict[str, Any], roles: dict[str, Any]) -> None:
    """Whoever is to tick a copy off holds a role that exists: an unknown one must not mean anybody."""
    for name, target in targets.items():
        for key in ("copies", "checklist"):
            for number, copy in enumerate(_list(_mapping(target).get(key))):
                if "who" in _mapping(copy):
                    _check(sheet, ("targets", name, key, number, "who"), "role", copy["who"], roles)


def _check_successors(sheet: Sheet, name: str, target: dict[str, Any], targets: dict[str, Any]) -> None:
    """A successor without checks would never be red, and a system is not its own."""
    for here, successor in _named(target, ("targets", name), "replaced_by"):
        _check(sheet, here, "target", successor, targets)
        if successor == name:
            sheet.report(here, "config.successor-itself")
        elif successor in targets and not _list(_mapping(targets[successor]).get("checks")):
            sheet.report(here, "config.successor-silent", name=short(successor))


def _check_rule_name(sheet: Sheet, place: Place, rule: dict[str, Any], seen: dict[str, int]) -> None:
    name = rule.get("name")
    if not isinstance(name, str):
        return
    if name in seen:
        sheet.report((*place, "name"), "config.rule-twice", name=short(name), first=seen[name])
    seen.setdefault(name, sheet.source.line((*place, "name")) or 0)


def _check_roles(sheet: Sheet, place: Place, rule: dict[str, Any], roles: dict[str, Any]) -> None:
    for number, role in enumerate(_list(rule.get("request"))):
        _check(sheet, (*place, "request", number), "role", role, roles)
    for key in ("except", "veto"):
        for number, role in enumerate(_list(rule.get(key))):
            _check(sheet, (*place, key, number), "role", role, roles)
    _check_needs(sheet, (*place, "approve"), rule.get("approve"), roles)
    for number, stage in enumerate(_list(rule.get("stages"))):
        _check_needs(sheet, (*place, "stages", number, "approve"), _mapping(stage).get("approve"), roles)


def _check_needs(sheet: Sheet, place: Place, needs: Any, roles: dict[str, Any]) -> None:
    for number, need in enumerate(_list(needs)):
        here = (*place, number)
        if isinstance(need, dict):
            for key, parts in need.items():
                _check_needs(sheet, (*here, key), parts, roles)
        elif isinstance(need, str):
            count, _, rest = need.partition(" of ")
            role, *but = re.split(r" except |,", rest)
            for name in (role, *but) if count.strip().isdigit() else ():
                _check(sheet, here, "role", name.strip(), roles)


def _check_when(sheet: Sheet, place: Place, when: dict[str, Any], targets: dict[str, Any]) -> None:
    for here, name in _named(when, place, "target"):
        _check(sheet, here, "target", name, targets)
    chosen = [name for _, name in _named(when, place, "target") if name in targets]
    looked_at = [_mapping(targets[name]) for name in chosen or targets]
    records = [name for target in looked_at for name in _mapping(target.get("records"))]
    for here, name in _named(when, place, "record"):
        _check(sheet, here, "record", name, records)
    environments = [str(target["environment"]) for target in looked_at if target.get("environment")]
    for here, name in _named(when, place, "environment"):
        _check(sheet, here, "environment", name, environments)
    operations = {name for _, name in _named(when, place, "operation")}
    if "record" in when and operations & {"restore", "teardown", "unfreeze"}:
        sheet.report((*place, "record"), "config.record-where")
    if "rows" in when and operations & {"teardown", "unfreeze"}:
        sheet.report((*place, "rows"), "config.rows-where")


def _check(sheet: Sheet, place: Place, kind: str, name: Any, known: Iterable[str]) -> None:
    names = list(dict.fromkeys(known))
    if not isinstance(name, str) or name in names:
        return
    meant = nearest(name, names)
    if meant:
        sheet.report(place, f"config.unknown-{kind}-meant", name=short(name), meant=short(meant))
    elif names:
        sheet.report(place, f"config.unknown-{kind}", name=short(name), known=short(", ".join(names), 300))
    else:
        sheet.report(place, f"config.unknown-{kind}-none", name=short(name))


def _named(when: dict[str, Any], place: Place, key: str) -> list[tuple[Place, str]]:
    value = when.get(key)
    if isinstance(value, str):
        return [((*place, key), value)]
    return [
        ((*place, key, number), name) for number, name in enumerate(_list(value)) if isinstance(name, str)
    ]


def _mapping(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []
