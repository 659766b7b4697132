"""auth.test, users.* and usergroups.*. The caller holds the lock."""

import base64
from collections.abc import Sequence
from typing import Any, TypeVar

from bot.sandbox.slack.core import Core
from bot.sandbox.slack.methods_chat import truth
from bot.sandbox.slack.workspace import ApiError, Group, Json

Item = TypeVar("Item")


def auth_test(core: Core, _args: Json) -> Json:
    """auth.test."""
    app = core.workspace.users[core.workspace.app_user]
    return {
        "url": f"https://{core.workspace.domain}.slack.com/",
        "team": core.workspace.domain,
        "user": app.name,
        "team_id": core.workspace.team_id,
        "user_id": app.id,
        "bot_id": app.bot_id,
        "is_enterprise_install": False,
    }


def users_info(core: Core, args: Json) -> Json:
    """users.info; the locale only when asked for."""
    user = core.workspace.user(args["user"])
    return {"user": user.public(include_locale=truth(args.get("include_locale")))}


def users_list(core: Core, args: Json) -> Json:
    """users.list, in pages; people of other workspaces are not in it."""
    own = [user for user in core.workspace.users.values() if user.team_id == core.workspace.team_id]
    shown, more = page(own, args, usual=200)
    locale = truth(args.get("include_locale"))
    return {"members": [user.public(include_locale=locale) for user in shown], **more}


def groups_list(core: Core, args: Json) -> Json:
    """usergroups.list; members and disabled groups only when asked for."""
    groups = [
        _group(core, group, with_users=truth(args.get("include_users")))
        for group in core.workspace.groups.values()
        if not group.disabled or truth(args.get("include_disabled"))
    ]
    return {"usergroups": groups}


def group_users(core: Core, args: Json) -> Json:
    """usergroups.users.list."""
    group = core.workspace.groups.get(args["usergroup"])
    if group is None or (group.disabled and not truth(args.get("include_disabled"))):
        raise ApiError("no_such_subteam")
    return {"users": list(group.users)}


def page(items: Sequence[Item], args: Json, *, usual: int) -> tuple[list[Item], Json]:
    """One page of ``items`` by ``limit`` and ``cursor``, and what the answer says about the next."""
    limit = int(args.get("limit") or usual)
    if not 1 <= limit <= 1000:
        raise ApiError("invalid_limit")
    start = _start(args.get("cursor"))
    rest = start + limit
    following = base64.b64encode(f"next:{rest}".encode()).decode() if rest < len(items) else ""
    return list(items[start:rest]), {"response_metadata": {"next_cursor": following}}


def _start(cursor: Any) -> int:
    if not cursor:
        return 0
    try:
        word, _, number = base64.b64decode(str(cursor), validate=True).decode().partition(":")
        if word == "next":
            return int(number)
    except ValueError:
        pass
    raise ApiError("invalid_cursor")


def _group(core: Core, group: Group, *, with_users: bool) -> Json:
    shown: Json = {
        "id": group.id,
        "team_id": core.workspace.team_id,
        "is_usergroup": True,
        "name": group.name,
        "handle": group.handle,
        "date_delete": 1 if group.disabled else 0,
    }
    if with_users:
        shown["users"] = list(group.users)
    return shown
