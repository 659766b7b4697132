"""views.*: forms and Home tabs. The caller holds the lock."""

import copy

from bot.sandbox.slack.core import Core, Happening, View
from bot.sandbox.slack.limits import check_view
from bot.sandbox.slack.methods_chat import decoded, with_ids
from bot.sandbox.slack.workspace import ApiError, Json

STACK = 3


def open_view(core: Core, args: Json) -> Json:
    """views.open: a form of its own, in place of whatever that person had open."""
    body = _body(args, "modal")
    user, _ = core.spend_trigger(_trigger(args))
    core.views[user] = []
    return {"view": show(core, user, body).body}


def push_view(core: Core, args: Json) -> Json:
    """views.push: on top of the form that the trigger came from, three at most."""
    body = _body(args, "modal")
    user, below = core.spend_trigger(_trigger(args))
    stack = core.views.get(user, [])
    if not below or all(view.id != below for view in stack):
        raise ApiError("not_found")
    if len(stack) >= STACK:
        raise ApiError("push_limit_reached")
    return {"view": show(core, user, body).body}


def update_view(core: Core, args: Json) -> Json:
    """views.update, by view id or external id; a stale ``hash`` is refused."""
    body = _body(args, "modal")
    view = _named(core, args)
    if args.get("hash") and args["hash"] != view.hash:
        raise ApiError("hash_conflict")
    replace(core, view, body)
    return {"view": view.body}


def publish_home(core: Core, args: Json) -> Json:
    """views.publish: the Home tab of one person."""
    body = _body(args, "home")
    user = core.workspace.user(args["user_id"]).id
    old = core.homes.get(user)
    if args.get("hash") and old is not None and args["hash"] != old.hash:
        raise ApiError("hash_conflict")
    home = View(old.id if old else core.fresh("V"), user, body, "", "")
    home.root = home.id
    core.homes[user] = home
    _complete(core, home, body)
    core.tell(Happening("home", user=user, view=home))
    return {"view": home.body}


def show(core: Core, user: str, body: Json) -> View:
    """Open ``body`` on top of the person's forms."""
    stack = core.views.setdefault(user, [])
    external = body.get("external_id")
    if external and any(
        view.body.get("external_id") == external for each in core.views.values() for view in each
    ):
        raise ApiError("duplicate_external_id")
    view = View(core.fresh("V"), user, body, "", "")
    view.root = stack[0].id if stack else view.id
    view.previous = stack[-1].id if stack else ""
    stack.append(view)
    _complete(core, view, body)
    core.tell(Happening("view", user=user, view=view))
    return view


def replace(core: Core, view: View, body: Json) -> None:
    """Put another body into an open form."""
    _complete(core, view, body)
    core.tell(Happening("view", user=view.user, view=view))


def _complete(core: Core, view: View, body: Json) -> None:
    view.hash = f"{core.stamp()}.{view.id}"
    view.body = {
        "callback_id": "",
        "private_metadata": "",
        "notify_on_close": False,
        "clear_on_close": False,
        "external_id": "",
        **body,
        "blocks": with_ids(core, body.get("blocks", [])),
        "id": view.id,
        "team_id": core.workspace.team_id,
        "hash": view.hash,
        "root_view_id": view.root,
        "previous_view_id": view.previous or None,
        "app_id": "A0COUNTERSIGN",
        "bot_id": core.workspace.users[core.workspace.app_user].bot_id,
        "state": {"values": view.state},
    }


def _body(args: Json, kind: str) -> Json:
    body = decoded(args["view"], "invalid_arguments")
    check_view(body)
    if body["type"] != kind:
        raise ApiError("invalid_arguments")
    return dict(copy.deepcopy(body))


def _trigger(args: Json) -> str:
    return str(args.get("trigger_id") or args.get("interactivity_pointer") or "")


def _named(core: Core, args: Json) -> View:
    if args.get("view_id"):
        return core.view(args["view_id"])
    for stack in core.views.values():
        for view in stack:
            if args.get("external_id") and view.body.get("external_id") == args["external_id"]:
                return view
    raise ApiError("not_found")
