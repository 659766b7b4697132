"""What votes, permits and jobs are bound to: one digest over the whole plan and the whole rule.

Pure. The plan carries the target's fingerprint: which server and database, the schema, the version of the
adapter. The form is exact: nothing is trimmed, folded or normalised; two texts that only look alike are two.
"""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

_VERSION = "countersign-binding-2"


def digest(plan: Mapping[str, Any], rule: Mapping[str, Any]) -> str:
    """SHA-256 over version, plan and rule as canonical JSON, 64 hex digits.

    Args:
        plan: ``Plan.to_data()``, as it is stored with the revision.
        rule: the frozen rule as it is stored with the revision.
    """
    text = json.dumps({"plan": plan, "rule": rule}, sort_keys=True, ensure_ascii=True, separators=(",", ":"))
    return hashlib.sha256(f"{_VERSION}\n{text}".encode()).hexdigest()
