"""The Web API: who may call what, and the method behind each name."""

from collections.abc import Callable, Mapping
from typing import Any

from bot.sandbox.slack import methods_chat, methods_files, methods_people, methods_rooms, methods_views
from bot.sandbox.slack.core import APP_TOKEN, BOT_TOKEN, Core
from bot.sandbox.slack.methods_table import ALWAYS_ALLOWED, METHODS, Method
from bot.sandbox.slack.workspace import ApiError, Json

Function = Callable[[Core, Json], Json]

FUNCTIONS: dict[str, Function] = {
    "auth.test": methods_people.auth_test,
    "chat.postMessage": methods_chat.post_message,
    "chat.postEphemeral": methods_chat.post_ephemeral,
    "chat.update": methods_chat.update,
    "chat.delete": methods_chat.delete,
    "chat.getPermalink": methods_chat.get_permalink,
    "conversations.open": methods_rooms.open_direct,
    "conversations.info": methods_rooms.info,
    "conversations.members": methods_rooms.members,
    "conversations.history": methods_rooms.history,
    "conversations.replies": methods_rooms.replies,
    "reactions.add": methods_rooms.add_reaction,
    "reactions.remove": methods_rooms.remove_reaction,
    "reactions.get": methods_rooms.get_reactions,
    "users.info": methods_people.users_info,
    "users.list": methods_people.users_list,
    "usergroups.list": methods_people.groups_list,
    "usergroups.users.list": methods_people.group_users,
    "views.open": methods_views.open_view,
    "views.push": methods_views.push_view,
    "views.update": methods_views.update_view,
    "views.publish": methods_views.publish_home,
    "files.getUploadURLExternal": methods_files.get_upload_url,
    "files.completeUploadExternal": methods_files.complete_upload,
    "files.delete": methods_files.delete,
    "files.info": methods_files.info,
}


def call(core: Core, name: str, token: str, arguments: Mapping[str, Any]) -> Json:
    """Carry out one call under the lock; the answer is Slack's JSON body, ``ok: false`` for a refusal."""
    with core.changed:
        core.calls.append((name, dict(arguments)))
        try:
            method = _method(core, name)
            _check_token(method, token)
            _check_arguments(core, name, method, arguments)
            require_scope(core, method.scopes)
            if method.app_token:
                return {"ok": True}
            return {"ok": True, **FUNCTIONS[name](core, dict(arguments))}
        except ApiError as refusal:
            return {"ok": False, "error": refusal.code, **refusal.more}
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            core.violations.append(f"{name}: arguments of the wrong kind ({type(error).__name__}: {error})")
            return {"ok": False, "error": "invalid_arguments"}
        finally:
            core.changed.notify_all()


def require_scope(core: Core, any_of: frozenset[str]) -> None:
    """Raise ``missing_scope`` unless the bot token has one of these scopes."""
    if any_of and core.scopes is not None and not any_of & core.scopes:
        raise ApiError(
            "missing_scope", needed=",".join(sorted(any_of)), provided=",".join(sorted(core.scopes))
        )


def _method(core: Core, name: str) -> Method:
    if name not in METHODS:
        core.violations.append(f"{name}: no such method in this Slack")
        raise ApiError("unknown_method", req_method=name)
    return METHODS[name]


def _check_token(method: Method, token: str) -> None:
    if not token:
        raise ApiError("not_authed")
    if token not in (BOT_TOKEN, APP_TOKEN):
        raise ApiError("invalid_auth")
    if token != (APP_TOKEN if method.app_token else BOT_TOKEN):
        raise ApiError("not_allowed_token_type")


def _check_arguments(core: Core, name: str, method: Method, arguments: Mapping[str, Any]) -> None:
    unknown = sorted(set(arguments) - method.args - ALWAYS_ALLOWED)
    missing = sorted(key for key in method.required if arguments.get(key) in (None, ""))
    for key in unknown:
        core.violations.append(f"{name}: argument {key} is not documented")
    for key in missing:
        core.violations.append(f"{name}: argument {key} is missing")
    if unknown or missing:
        lines = [f"[ERROR] unknown field: {key}" for key in unknown]
        lines += [f"[ERROR] missing required field: {key}" for key in missing]
        raise ApiError("invalid_arguments", response_metadata={"messages": lines})
