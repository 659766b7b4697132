"""Variables and paths: the values that a worker resolves, and nobody else.

``${NAME}`` may stand in a database URL, in the store of the backups, and for who we are at a bucket. Anywhere
else it is an error: what the bot process reads must not depend on secrets, and what is shown to people must
not contain them.
"""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from bot.config.lines import Sheet
from bot.config.problems import Place, spoken
from bot.config.values import short
from bot.settings import (
    BOT_VARIABLES,
    PLAIN_VARIABLES,
    SHARED_VARIABLES,
    STORE_VARIABLES,
    WORKER_VARIABLES,
)

#: The databases that this version works on.
DATABASES = ("postgresql", "mysql", "mariadb", "sqlite")

#: Names that mean something to us, or to every program.
_RESERVED = frozenset(
    {*PLAIN_VARIABLES, *SHARED_VARIABLES, *BOT_VARIABLES, *WORKER_VARIABLES, "COUNTERSIGN_OPERATION"}
)
#: Lists of checks in a target.
_ASKED = ("checks", "neighbours", "replaced_by")
_PLACEHOLDER = re.compile(r"\$\{([^{}]*)\}")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def variables_in(tree: Any) -> frozenset[str]:
    """The names that the file mentions where a variable may stand, or that a bucket without keys implies."""
    texts = list(_texts(tree, ()))
    held = [text for place, text in texts if _may_hold_variables(place)]
    found = {name for text in held for name in _PLACEHOLDER.findall(text) if _VARIABLE.fullmatch(name)}
    named = {text for place, text in texts if _names_a_variable(place) and _VARIABLE.fullmatch(text)}
    return frozenset(found | named | ({*STORE_VARIABLES} if _asks_the_machine(tree) else set()))


def _asks_the_machine(tree: Any) -> bool:
    """Whether there is a bucket for which the file does not say who we are."""
    backups = tree.get("backups") if isinstance(tree, dict) else None
    if isinstance(backups, dict) and str(backups.get("store", "")).startswith(("s3:", "${")):
        return True
    targets = tree.get("targets") if isinstance(tree, dict) else None
    parts = [target.get("attachments") for target in _values(targets) if isinstance(target, dict)]
    places = [
        one.get("object")
        for part in parts
        for one in (part if isinstance(part, list) else ())
        if isinstance(one, dict)
    ]
    return any(isinstance(place, dict) and "key_id" not in place for place in places)


def _values(tree: Any) -> list[Any]:
    return list(tree.values()) if isinstance(tree, dict) else []


def resolve_variables(sheet: Sheet, resolve: Mapping[str, str] | None) -> None:
    """Fill in the variables, unless ``resolve`` is None; report the missing and the misplaced."""
    for place, text in list(_texts(sheet.tree, ())):
        if _names_a_variable(place) and text in _RESERVED:
            sheet.report(place, "config.credential-taken", name=text)
        if _is_credential(place) and not _PLACEHOLDER.fullmatch(text):
            sheet.report(place, "config.credential-in-file", key=str(place[-1]))
        if _is_asked(place) and password_in_clear(text):
            sheet.report(place, "config.check-password")
        if "${" not in text:
            continue
        if not _may_hold_variables(place):
            sheet.report(place, "config.variable-place", key=short(spoken(place)))
        elif _placeholders_are_sound(sheet, place, text) and resolve is not None:
            _fill(sheet, place, text, resolve)


def resolve_paths(sheet: Sheet, folder: Path) -> None:
    """Make relative paths start at the folder of the file; report what this version cannot open."""
    targets = sheet.tree.get("targets")
    for name, target in targets.items() if isinstance(targets, dict) else ():
        database = target.get("database") if isinstance(target, dict) else None
        if isinstance(database, dict) and _is_plain(database.get("url")):
            _resolve_url(sheet, ("targets", name, "database", "url"), database, folder)
        if isinstance(target, dict):
            _resolve_parts(target, folder)
            _resolve_asked(sheet, ("targets", name), target, folder)
    backups = sheet.tree.get("backups")
    if isinstance(backups, dict) and _is_plain(backups.get("store")):
        _resolve_store(sheet, ("backups", "store"), backups, folder)


def password_in_clear(url: str) -> bool:
    """Whether a URL, as it stands in the file, holds a password that is no variable."""
    found = re.match(r"[^:/]+://[^/@:]*:(.*)@", url)
    return found is not None and _PLACEHOLDER.sub("", found[1]) != ""


def _texts(tree: Any, place: Place) -> Iterator[tuple[Place, str]]:
    if isinstance(tree, str):
        yield place, tree
    elif isinstance(tree, dict):
        for key, value in tree.items():
            yield from _texts(value, (*place, key))
    elif isinstance(tree, list):
        for number, value in enumerate(tree):
            yield from _texts(value, (*place, number))


def _may_hold_variables(place: Place) -> bool:
    if place == ("backups", "store") or _is_credential(place) or _is_asked(place):
        return True
    return len(place) == 4 and place[0] == "targets" and place[2:] == ("database", "url")


def _is_credential(place: Place) -> bool:
    """Where nothing but a variable may stand."""
    held = place[0] == "targets" and place[2:3] == ("attachments",) and place[4:5] == ("object",)
    return held and place[5:] in (("key_id",), ("secret",))


def _is_asked(place: Place) -> bool:
    """Where the address of a database stands that a check asks."""
    # What replaces a system may stand there without a list around it.
    alone = len(place) == 4 and place[2] == "replaced_by"
    asked = alone or (len(place) == 5 and place[2] in _ASKED)
    return asked and place[0] == "targets" and place[-1] == "database"


def _names_a_variable(place: Place) -> bool:
    """Where the name itself stands, because the variable may be missing."""
    return len(place) == 4 and place[0] == "targets" and place[2:] == ("builtin", "credential")


def _placeholders_are_sound(sheet: Sheet, place: Place, text: str) -> bool:
    names = _PLACEHOLDER.findall(text)
    if "${" in _PLACEHOLDER.sub("", text) or not all(_VARIABLE.fullmatch(name) for name in names):
        sheet.report(place, "config.variable-form", key=short(spoken(place)))
        return False
    taken = next((name for name in names if name in BOT_VARIABLES), None)
    if taken:
        sheet.report(place, "config.variable-taken", name=taken)
    return taken is None


def _fill(sheet: Sheet, place: Place, text: str, resolve: Mapping[str, str]) -> None:
    missing = [name for name in _PLACEHOLDER.findall(text) if not resolve.get(name)]
    for name in dict.fromkeys(missing):
        sheet.report(place, "config.variable-missing", name=name)
    if not missing:
        holder = sheet.tree
        for part in place[:-1]:
            holder = holder[part]  # type: ignore[index]  # a place is made of mappings down to its text
        holder[place[-1]] = _PLACEHOLDER.sub(lambda found: resolve[found[1]], text)  # type: ignore[index]  # same


def _is_plain(value: Any) -> bool:
    return isinstance(value, str) and "${" not in value


def _resolve_parts(target: dict[str, Any], folder: Path) -> None:
    """Sockets of supervisors, folders and allowed roots; what is no text is reported by its type."""
    for section, key in (("services", "supervisor"), ("files", "path"), ("attachments", "file")):
        parts = target.get(section)
        for part in parts if isinstance(parts, list) else ():
            if isinstance(part, dict) and _is_plain(part.get(key)):
                part[key] = str(folder / part[key])
    residue = target.get("residue")
    listed = [(target, "roots")]
    listed += [(residue, key) for key in ("look_in", "files")] if isinstance(residue, dict) else []
    for holder, key in listed:
        paths = holder.get(key)
        if isinstance(paths, list):
            holder[key] = [str(folder / path) if _is_plain(path) else path for path in paths]


def _resolve_asked(sheet: Sheet, place: Place, target: dict[str, Any], folder: Path) -> None:
    for key in _ASKED:
        checks = target.get(key)
        alone = key == "replaced_by" and isinstance(checks, dict)
        listed = enumerate(checks) if isinstance(checks, list) else ()
        found: list[tuple[Place, Any]] = (
            [((key,), checks)] if alone else [((key, n), one) for n, one in listed]
        )
        for where, check in found:
            if isinstance(check, dict) and _is_plain(check.get("database")):
                _resolve_url(sheet, (*place, *where, "database"), check, folder)


def _resolve_url(sheet: Sheet, place: Place, holder: dict[str, Any], folder: Path) -> None:
    key = str(place[-1])
    kind, mark, rest = holder[key].partition("://")
    if not mark:
        sheet.report(place, "config.url")
    elif kind not in DATABASES:
        sheet.report(place, "config.database-kind")
    elif kind != "sqlite":
        if not re.fullmatch(r"[^/?]*/[^/?]+(\?.*)?", rest):
            sheet.report(place, "config.database-name")
    elif not rest.startswith("/") or rest[1:].startswith((":memory:", "file:", "?")) or rest == "/":
        sheet.report(place, "config.database-file")
    else:
        holder[key] = f"{kind}:///{folder / rest[1:]}"


def _resolve_store(sheet: Sheet, place: Place, holder: dict[str, Any], folder: Path) -> None:
    kind, mark, rest = holder["store"].partition(":")
    if kind == "s3":
        return  # Its own type looks at it.
    if (
        kind != "file"
        or not mark
        or not rest.strip()
        or (rest.startswith("//") and not rest.startswith("///"))
    ):
        sheet.report(place, "config.store")
        return
    holder["store"] = f"file:{folder / re.sub('^/+', '/', rest)}"
