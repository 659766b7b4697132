"""Which methods this Slack speaks, with which arguments. What is not here is an error, as a typo should be.

``scopes`` is "any of"; where the scope depends on the kind of channel, the method itself looks again.
Tests hold this table against the published method reference.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Method:
    """One documented method: its arguments, those it cannot do without, and the scopes that allow it."""

    args: frozenset[str]
    required: frozenset[str]
    scopes: frozenset[str]
    app_token: bool = False


def _method(args: str = "", required: str = "", scopes: str = "", *, app_token: bool = False) -> Method:
    needed = frozenset(required.split())
    return Method(frozenset(args.split()) | needed, needed, frozenset(scopes.split()), app_token)


_READ = "channels:read groups:read im:read mpim:read"
_HISTORY = "channels:history groups:history im:history mpim:history"
_LOOK = "text blocks attachments markdown_text metadata"
_PAGE = "cursor limit"
_SPAN = "cursor limit latest oldest inclusive include_all_metadata"

METHODS: dict[str, Method] = {
    "auth.test": _method(),
    "apps.connections.open": _method(app_token=True),
    "chat.postMessage": _method(
        f"{_LOOK} thread_ts reply_broadcast unfurl_links unfurl_media mrkdwn parse link_names",
        "channel",
        "chat:write",
    ),
    "chat.postEphemeral": _method(f"{_LOOK} thread_ts parse link_names", "channel user", "chat:write"),
    "chat.update": _method(f"{_LOOK} parse link_names reply_broadcast", "channel ts", "chat:write"),
    "chat.delete": _method("", "channel ts", "chat:write"),
    "chat.getPermalink": _method("", "channel message_ts"),
    "conversations.open": _method(
        "users channel return_im prevent_creation", "", "im:write mpim:write channels:manage groups:write"
    ),
    "conversations.info": _method("include_locale include_num_members", "channel", _READ),
    "conversations.members": _method(_PAGE, "channel", _READ),
    "conversations.history": _method(_SPAN, "channel", _HISTORY),
    "conversations.replies": _method(_SPAN, "channel ts", _HISTORY),
    "reactions.add": _method("", "channel name timestamp", "reactions:write"),
    "reactions.remove": _method("channel timestamp", "name", "reactions:write"),
    "reactions.get": _method("channel timestamp full", "", "reactions:read"),
    "users.info": _method("include_locale", "user", "users:read"),
    "users.list": _method(f"{_PAGE} include_locale team_id", "", "users:read"),
    "usergroups.list": _method("include_count include_disabled include_users team_id", "", "usergroups:read"),
    "usergroups.users.list": _method("include_disabled team_id", "usergroup", "usergroups:read"),
    "views.open": _method("trigger_id interactivity_pointer", "view"),
    "views.push": _method("trigger_id interactivity_pointer", "view"),
    "views.update": _method("view_id external_id hash", "view"),
    "views.publish": _method("hash interactivity_pointer", "user_id view"),
    "files.getUploadURLExternal": _method("alt_txt snippet_type", "filename length", "files:write"),
    "files.completeUploadExternal": _method(
        "channel_id channels initial_comment thread_ts blocks", "files", "files:write"
    ),
    "files.delete": _method("", "file", "files:write"),
    "files.info": _method("count cursor limit page", "file", "files:read"),
}

#: Bolt's client adds the first to any call, slack_sdk may send the second in the body.
ALWAYS_ALLOWED = frozenset({"team_id", "token"})
