"""Walking a block of Block Kit without trusting its shape. Pure."""

from collections.abc import Iterator, Mapping
from typing import Any


def kind_of(node: Any) -> str:
    """The type of a block or element; empty for anything else."""
    kind = node.get("type") if isinstance(node, Mapping) else None
    return kind if isinstance(kind, str) else ""


def elements_of(block: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """The elements right inside a block, wherever it keeps them."""
    inside = block.get("elements")
    for element in (
        *(inside if isinstance(inside, list) else ()),
        block.get("accessory"),
        block.get("element"),
    ):
        if isinstance(element, dict):
            yield element
