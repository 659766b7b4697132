"""Problems and text totals, collected while a tree of blocks is walked. Pure."""

from collections.abc import Mapping, Sequence
from typing import Any

ID = 255
PLAIN = ("plain_text",)
ANY = ("plain_text", "mrkdwn")


class Report:
    """Collects problems and the running total of block text while a tree of blocks is walked."""

    def __init__(self) -> None:
        self.problems: list[str] = []
        self.total = 0
        self.markdown = 0
        self.block_ids: set[str] = set()

    def bad(self, path: str, what: str) -> None:
        """Note a problem at a JSON pointer."""
        self.problems.append(f"[ERROR] {what} [json-pointer:{path}]")

    def text(self, node: Any, path: str, most: int, kinds: Sequence[str] = ANY) -> None:
        """A text object of one of ``kinds`` with 1 to ``most`` characters."""
        if not isinstance(node, Mapping) or node.get("type") not in kinds:
            self.bad(path, f"must be a text object of type {' or '.join(kinds)}")
            return
        self.string(node.get("text"), f"{path}/text", most)

    def string(self, value: Any, path: str, most: int) -> None:
        """A string of 1 to ``most`` characters that counts as block text."""
        if not isinstance(value, str) or not value:
            self.bad(path, "must be a text with at least 1 character")
            return
        self.total += len(value)
        if len(value) > most:
            self.bad(path, f"must be less than {most + 1} characters")

    def size(self, value: Any, path: str, most: int) -> None:
        """An optional technical string, at most ``most`` characters."""
        if value is not None and (not isinstance(value, str) or len(value) > most):
            self.bad(path, f"must be a string of less than {most + 1} characters")

    def items(self, value: Any, path: str, most: int, least: int = 1) -> list[Any]:
        """A list of ``least`` to ``most`` items; an empty list when it is no list."""
        if not isinstance(value, list):
            self.bad(path, "must be an array")
            return []
        if not least <= len(value) <= most:
            self.bad(path, f"must have {least} to {most} items")
        return value

    def one_of(self, value: Any, path: str, allowed: Sequence[Any]) -> None:
        """One of a few words."""
        if value not in allowed:
            self.bad(path, f"must be one of {', '.join(str(word) for word in allowed if word)}")

    def optional_text(self, node: Mapping[str, Any], key: str, path: str, most: int) -> None:
        """A plain text object that may be absent."""
        if key in node:
            self.text(node[key], f"{path}/{key}", most, PLAIN)
