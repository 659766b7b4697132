"""The file, loaded: everything that is wrong is said at once, with file and line."""

from collections.abc import Mapping
from pathlib import Path

from pydantic import ValidationError

from bot.config.lines import Sheet, read
from bot.config.places import password_in_clear, resolve_paths, resolve_variables, variables_in
from bot.config.problems import ConfigInvalid, ConfigProblem, Source
from bot.config.references import check_names
from bot.config.shapes import drop_unknown_keys, report_errors
from bot.config.types import Config


def load(path: Path, resolve: Mapping[str, str] | None) -> Config:
    """The configuration in a file. Relative paths in it start at its folder.

    Args:
        path: the file.
        resolve: the values of ``${NAME}``; None leaves them, for a process that may not know them.

    Raises:
        ConfigInvalid: with every problem there is; none of them holds a resolved value.
    """
    path = path.absolute()
    sheet = read(path)
    clear = _passwords_in_clear(sheet)
    sheet.tree = drop_unknown_keys(sheet, sheet.tree)
    resolve_variables(sheet, resolve)
    resolve_paths(sheet, path.parent)
    check_names(sheet)
    config = _typed(sheet)
    if config is None or sheet.problems:
        raise ConfigInvalid(str(path), _in_order(sheet.problems))
    return config.with_source(Source(sheet.source.file, sheet.source.lines, clear))


def variables(path: Path) -> frozenset[str]:
    """The names of the variables that the file mentions.

    Raises:
        ConfigInvalid: the file is no YAML.
    """
    return variables_in(read(path.absolute()).tree)


def _typed(sheet: Sheet) -> Config | None:
    try:
        return Config.model_validate(sheet.tree)
    except ValidationError as error:
        report_errors(sheet, error.errors(include_url=False, include_input=False))
        return None


def _passwords_in_clear(sheet: Sheet) -> frozenset[str]:
    targets = sheet.tree.get("targets")
    if not isinstance(targets, dict):
        return frozenset()
    databases = {
        name: target["database"]
        for name, target in targets.items()
        if isinstance(target, dict) and isinstance(target.get("database"), dict)
    }
    urls = {name: database.get("url") for name, database in databases.items()}
    return frozenset(name for name, url in urls.items() if isinstance(url, str) and password_in_clear(url))


def _in_order(problems: list[ConfigProblem]) -> list[ConfigProblem]:
    unique = {(one.line, one.key, tuple(one.params.items())): one for one in problems}
    return sorted(unique.values(), key=lambda one: one.line or 0)
