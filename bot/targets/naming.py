"""How a text is looked for in a column of any database: as the whole of it, or inside a longer text. Pure."""

import json
import re

#: Shorter texts stand inside others by chance.
SHORTEST = 6
_BOUNDED = re.compile(r"(n?var|n?)char\w*\s*\(|character( varying)?\s*\(", re.IGNORECASE)
_LONG = re.compile(
    r"(tiny|medium|long|n)?(text|blob|clob)|jsonb?|xml|citext|hstore|bytea|(long )?varbinary"
    r"|character varying|varchar|",
    re.IGNORECASE,
)


def is_long(declared: str) -> bool:
    """Whether a column of this declared type holds texts, documents or bytes without a bound of its own.

    A bounded one holds one value: a mail address, not a letter.
    """
    if declared.endswith("[]"):
        return True
    return not _BOUNDED.match(declared) and _LONG.fullmatch(declared.partition("(")[0].strip()) is not None


def ignores_case(text: str) -> bool:
    """Mail addresses are the same in small letters and capitals."""
    return "@" in text


def spellings(text: str, *, inside: bool) -> tuple[str, ...]:
    """How it may be written down: plainly, and inside a longer text also as JSON writes it."""
    if not inside:
        return (text,)
    return tuple(
        dict.fromkeys([text, *(json.dumps(text, ensure_ascii=plain)[1:-1] for plain in (False, True))])
    )
