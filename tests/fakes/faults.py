"""How to let the store of objects misbehave; also for a process that knows nothing else of it."""

import json
import urllib.request
from typing import Any


def order_faults(url: str, rules: list[dict[str, Any]]) -> None:
    """Let the server misbehave until it gets another order; see ``bucket_server``."""
    request = urllib.request.Request(f"{url}/-/faults", data=json.dumps(rules).encode(), method="POST")
    with urllib.request.urlopen(request, timeout=10):
        pass
