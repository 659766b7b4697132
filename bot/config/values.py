"""What one value of the file may look like: pure functions that return the value or say what is wrong.

Each raises ``PydanticCustomError`` whose type is a catalogue key and whose context fills the sentence.
"""

import difflib
import re
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any, NoReturn
from zoneinfo import ZoneInfo

from pydantic_core import PydanticCustomError

from bot.model.calendar import DAYS
from bot.model.quorums import AllOf, AnyOf, Need, SlotSpec
from bot.model.requests import Operation
from bot.texts import languages

MAX_TEXT = 500
MAX_NAME = 60
#: What a later version will know; naming it is told apart from a slip of the pen.
LATER_OPERATIONS = frozenset({"policy", "hold"})

VERBS = ("GET", "POST", "PUT", "DELETE")
METHODS = ("by-steps", "builtin")
PROOFS = ("reaction", "code")
ORDERS = ("in-turn", "in-parallel")
POLICIES = ("follow", "nullify", "block", "reassign")
_FEWEST_PARTS = 2
#: Bytes of a name in PostgreSQL.
_LONGEST_SCHEMA = 63

_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
_LONGEST = timedelta(days=36500)
_DURATION = re.compile(r"([0-9]{1,9})([smhd])")
_CLOCK = re.compile(r"([01][0-9]|2[0-3]):([0-5][0-9])|24:00")
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_MOMENT = re.compile(r"([0-9]{4}-[0-9]{2}-[0-9]{2})[T ]([0-9]{2}:[0-9]{2})")
_ZONE = re.compile(r"[A-Za-z][A-Za-z0-9_+-]*(/[A-Za-z0-9][A-Za-z0-9_+-]*){0,2}")
_SLOT = re.compile(r"([0-9]{1,3}) +of +(\S+)(?: +except +(\S.*))?")
_NAME = re.compile(r"\w[\w.-]*")
_PATH = re.compile(r"[A-Za-z_][\w-]*(?:\.[A-Za-z_][\w-]*)*", re.ASCII)
_LINK = re.compile(r"\S.*\.[^.]+ -> \S.*\.[^.]+")
_COLUMN_IN_LABEL = re.compile(r"\{([^{}.\[\]!:]+)\}")


def _wrong(key: str, **params: str | int) -> NoReturn:
    raise PydanticCustomError(key, key, params)


def short(value: object, limit: int = MAX_NAME) -> str:
    """A value as it may stand in a sentence: one line, cut."""
    shown = " ".join(str(value).split())
    return shown if len(shown) <= limit else f"{shown[: limit - 1]}…"


def nearest(word: str, known: Iterable[str]) -> str | None:
    """The known word that was probably meant."""
    folded = {one.casefold(): one for one in known}
    close = difflib.get_close_matches(word.casefold(), folded, n=1, cutoff=0.6)
    return folded[close[0]] if close else None


def text(value: str) -> str:
    """A text on one line, neither empty nor endless."""
    if not value.strip():
        _wrong("config.blank")
    if len(value) > MAX_TEXT:
        _wrong("config.long", limit=MAX_TEXT, length=len(value))
    if not value.isprintable():
        _wrong("config.control")
    return value


def name(value: str) -> str:
    """A name people type in a command: letters, digits, dot, dash and underscore."""
    if len(value) > MAX_NAME or not _NAME.fullmatch(value):
        _wrong("config.name", value=short(value))
    return value


def column(value: str) -> str:
    """A table or column, exactly as the database spells it."""
    return text(value)


def schema(value: str) -> str:
    """A schema of PostgreSQL that a system may call its own, exactly as the database spells it."""
    if len(text(value).encode()) > _LONGEST_SCHEMA:
        _wrong("config.long", limit=_LONGEST_SCHEMA, length=len(value.encode()))
    if value in ("public", "information_schema") or value.startswith("pg_"):
        _wrong("config.schema-system", value=short(value))
    return value


def table_path(value: str) -> str:
    """A table that a system may call its own, exactly as spelled: ``table`` or ``Schema.table``."""
    home, _, last = text(value).rpartition(".")
    if not last.strip() or ("." in value and not home.strip(". ")):
        _wrong("config.table-path", value=short(value))
    if home == "information_schema" or home.startswith("pg_"):
        _wrong("config.table-system", value=short(value))
    return value


def place(value: str) -> str:
    """A table and a column with a dot between them."""
    table, _, last = text(value).rpartition(".")
    if not table.strip(". ") or not last.strip():
        _wrong("config.place", value=short(value))
    return value


def link(value: str) -> str:
    """A link as the plan names it: ``child.column -> parent.column``, several columns in brackets."""
    if not _LINK.fullmatch(text(value)):
        _wrong("config.link", value=short(value))
    return value


def json_path(value: str) -> str:
    """Names with a dot between them, as they lead into JSON."""
    if not _PATH.fullmatch(text(value)):
        _wrong("config.json-path", value=short(value))
    return value


def parent_of(value: str) -> str:
    """The table that a link points at."""
    place = value.rpartition(" -> ")[2]
    return place[: place.rindex(".(")] if place.endswith(")") and ".(" in place else place.rpartition(".")[0]


def policy(value: object) -> object:
    """What becomes of a row that points at one that goes."""
    if value not in POLICIES:
        _wrong("config.link-policy", value=short(value), known=", ".join(POLICIES))
    return value


def _slack_id(value: str, letters: str, key: str) -> str:
    if not re.fullmatch(f"[{letters}][A-Z0-9]{{1,20}}", value):
        _wrong(key, value=short(value))
    return value


def user(value: str) -> str:
    """A Slack user id."""
    return _slack_id(value, "UW", "config.user-id")


def usergroup(value: str) -> str:
    """A Slack user group id."""
    return _slack_id(value, "S", "config.usergroup-id")


def channel(value: str) -> str:
    """A Slack channel id; a direct message is no channel."""
    return _slack_id(value, "CG", "config.channel-id")


def person_or_channel(value: str) -> str:
    """Somebody to tell: a person or a channel, by id."""
    return _slack_id(value, "UWCG", "config.listener-id")


def path(value: str) -> str:
    """A path from the root, without steps back; relative ones were completed before."""
    parts = text(value).split("/")
    if not value.startswith("/") or ".." in parts or value == "/":
        _wrong("config.path", value=short(value))
    return value


def command(words: tuple[str, ...]) -> tuple[str, ...]:
    """A program by its whole path, and its arguments; no shell reads them."""
    path(words[0])
    return words


def http(value: str) -> str:
    """An address of a page, without a password in it."""
    if not re.fullmatch(r"https?://[^\s/@?#]+(/\S*)?", value):
        _wrong("config.http", value=short(value))
    return value


def endpoint(value: str) -> str:
    """An address to call: without a password, a query or a fragment, which people would read in the plan."""
    if not re.fullmatch(r"https?://[A-Za-z0-9.-]+(:[0-9]{1,5})?(/[^\s?#@]*)?", value):
        _wrong("config.endpoint")
    return value


def goes_in_clear(url: str) -> bool:
    """Whether what is sent there can be read on the way: without TLS, and not to this very machine."""
    here = r"http://(localhost|127\.[0-9]+\.[0-9]+\.[0-9]+)([:/]|$)"
    return url.startswith("http://") and re.match(here, url) is None


def verb(value: str) -> str:
    """How a page is asked."""
    if value not in VERBS:
        _wrong("config.verb", value=short(value), known=", ".join(VERBS))
    return value


def method(value: str) -> str:
    """How a teardown is done."""
    if value not in METHODS:
        _wrong("config.method", value=short(value), known=", ".join(METHODS))
    return value


def proof(value: str) -> str:
    """What an approval takes."""
    if value not in PROOFS:
        _wrong("config.proof", value=short(value), known=", ".join(PROOFS))
    return value


def credential(value: str) -> str:
    """The name of a variable; what stands there instead may be the secret, and is not repeated."""
    if not re.fullmatch(r"[A-Z][A-Z0-9_]{0,59}", value):
        _wrong("config.credential")
    return value


def address(value: str) -> str:
    """``host:port``."""
    host, _, number = value.rpartition(":")
    if not host or not number.isdigit() or not 0 < int(number) < 65536:
        _wrong("config.address", value=short(value))
    return value


def workspace(value: str) -> str:
    """A Slack workspace id, or that of the enterprise."""
    return _slack_id(value, "TE", "config.workspace-id")


def language(value: str) -> str:
    """A language that has a catalogue."""
    if value not in languages():
        _wrong("config.language", value=short(value), known=", ".join(languages()))
    return value


def operation(value: str) -> str:
    """An operation that this version carries out."""
    known = [str(one) for one in Operation]
    if value in known:
        return value
    if value in LATER_OPERATIONS:
        _wrong("config.later-operation", value=value, known=", ".join(known))
    meant = nearest(value, known)
    if meant:
        _wrong("config.operation-meant", value=short(value), meant=meant)
    _wrong("config.operation", value=short(value), known=", ".join(known))


def template(value: str) -> str:
    """A label: text with columns in braces, and nothing cleverer."""
    rest = _COLUMN_IN_LABEL.sub("", text(value))
    if "{" in rest or "}" in rest or not _COLUMN_IN_LABEL.search(value):
        _wrong("config.label", value=short(value))
    return value


def columns_of(label: str) -> tuple[str, ...]:
    """The columns that a label mentions, in order."""
    return tuple(dict.fromkeys(_COLUMN_IN_LABEL.findall(label)))


def duration(value: Any) -> timedelta:
    """``30s``, ``10m``, ``4h``, ``30d``, or 0."""
    if isinstance(value, timedelta):
        return value
    if value == 0 and not isinstance(value, bool):
        return timedelta(0)
    found = _DURATION.fullmatch(value) if isinstance(value, str) else None
    if found is None:
        _wrong("config.duration", value=short(value))
    length = timedelta(**{_UNITS[found[2]]: int(found[1])})
    if length > _LONGEST:
        _wrong("config.duration-long", value=short(value))
    return length


def positive(value: timedelta) -> timedelta:
    """A duration that is not nothing."""
    if value <= timedelta(0):
        _wrong("config.duration-zero")
    return value


def slot(value: Any) -> SlotSpec:
    """``1 of dba``, or ``1 of dba except contractor, trainee``."""
    found = _SLOT.fullmatch(value.strip()) if isinstance(value, str) else None
    if found is None:
        _wrong("config.slot", value=short(value))
    if int(found[1]) < 1:
        _wrong("config.slot-zero", value=short(value))
    but = tuple(name(one.strip()) for one in found[3].split(",")) if found[3] else ()
    return SlotSpec(int(found[1]), name(found[2]), but)


def need(value: Any) -> Need:
    """A slot, ``any: [...]`` or ``all: [...]`` of at least two of these."""
    if isinstance(value, SlotSpec | AllOf | AnyOf):
        return value
    if not isinstance(value, dict):
        return slot(value)
    kind, parts = next(iter(value.items())) if len(value) == 1 else ("", None)
    if kind not in ("any", "all") or not isinstance(parts, list | tuple) or len(parts) < _FEWEST_PARTS:
        _wrong("config.need", value=short(", ".join(str(key) for key in value)))
    inside = tuple(need(part) for part in parts)
    return AnyOf(inside) if kind == "any" else AllOf(inside)


def order(value: str) -> str:
    """How stages follow each other."""
    if value not in ORDERS:
        _wrong("config.order", value=short(value), known=", ".join(ORDERS))
    return value


def one_or_many(value: Any) -> Any:
    """A list may be written as its only element."""
    return (value,) if isinstance(value, str) else value


def mapping_or_many(value: Any) -> Any:
    """A list of mappings may be written as its only element."""
    return (value,) if isinstance(value, dict) else value


def day(value: str) -> str:
    """A day of the week, by three letters."""
    if value not in DAYS:
        _wrong("config.day", value=short(value), known=", ".join(DAYS))
    return value


def zone(value: str) -> str:
    """A time zone, by its name in the IANA database; it is looked up here, so that nobody meets it later."""
    try:
        known = _ZONE.fullmatch(value) is not None and ZoneInfo(value).key == value
    except (KeyError, ValueError, OSError):
        known = False
    if not known:
        _wrong("config.zone", value=short(value))
    return value


def clock(value: Any) -> int:
    """``22:00`` as minutes of the day; ``24:00`` is the end of it."""
    if not isinstance(value, str) or _CLOCK.fullmatch(value) is None:
        _wrong("config.clock", value=short(value))
    hours, _, minutes = value.partition(":")
    return int(hours) * 60 + int(minutes)


def moment(value: Any) -> tuple[datetime, bool]:
    """A date, or a date and a time of day: the wall time, and whether it is a whole day."""
    text = value if isinstance(value, str) else ""
    found = _MOMENT.fullmatch(text)
    if found is None and _DATE.fullmatch(text) is None:
        _wrong("config.moment", value=short(value))
    try:
        wall = datetime.fromisoformat(f"{found[1]}T{found[2]}" if found else f"{text}T00:00")
    except ValueError:
        _wrong("config.moment", value=short(value))
    # The arithmetic of time zones needs room at both ends.
    if not 2000 <= wall.year <= 2999:
        _wrong("config.moment", value=short(value))
    return wall, found is None


def limited(value: int) -> int:
    """A cap that lets something through."""
    if value < 1:
        _wrong("config.limit-zero")
    return value


def demanded(value: str) -> bool:
    """``required``, and nothing else."""
    if value != "required":
        _wrong("config.expected", value=short(value))
    return True
