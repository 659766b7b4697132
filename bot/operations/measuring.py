"""What is expected of each part of a system, so that it can be told how far a step has come. Pure."""

from collections.abc import Mapping
from typing import Any

from bot.model.backups import Manifest
from bot.model.meter import Unit
from bot.model.plans import Plan

_KINDS: Mapping[str, Unit] = {"files": "files", "database": "rows"}


def by_plan(plan: Plan, holding: str) -> Mapping[Unit, int]:
    """What the survey found of it; nothing is expected of what the plan does not name."""
    for name, kind, _, items, size in (plan.system or {}).get("holdings", ()):
        if name == holding:
            unit = _KINDS.get(str(kind))
            return {"bytes": int(size), **({unit: int(items)} if unit else {})}
    return {}


def by_backup(manifest: Manifest, holding: str) -> Mapping[Unit, int]:
    """What the backup holds of it."""
    kept: Mapping[str, Any] = (manifest.extra.get("holdings") or {}).get(holding) or {}
    streams = [one.size for one in manifest.streams if one.name.startswith(f"{holding}.")]
    counts: dict[Unit, int] = {
        "rows": int(kept.get("rows") or 0),
        "tables": int(kept.get("tables") or 0),
        "files": int(kept.get("entries") or 0),
    }
    return {"bytes": sum(streams), **{unit: n for unit, n in counts.items() if n}}
