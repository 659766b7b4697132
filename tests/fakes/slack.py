"""A Slack in memory behind our own port: it checks every call as strictly as Slack, and fails on request."""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from bot.sandbox.slack.limits import check_message, check_view
from bot.sandbox.slack.methods_table import METHODS as KNOWN
from handlers.slack import METHODS, SlackIsBusy, SlackIsSilent, SlackSaysNo

BOT, BOT_ID = "U0COUNTERSIGN", "B0COUNTERSIGN"
PEOPLE: dict[str, dict[str, Any]] = {
    "U0GUEST": {"is_restricted": True},
    "U0MULTI": {"is_ultra_restricted": True},
    "U0ROBOT": {"is_bot": True},
    "U0LEFT": {"deleted": True},
    "U0OTHER": {"team_id": "T0OTHER"},
    "U0STRANGER": {"is_stranger": True},
}


@dataclass
class MemorySlack:
    """What was called, what is there. ``trouble[method]`` is raised, first in first out."""

    calls: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    messages: list[dict[str, Any]] = field(default_factory=list)
    trouble: dict[str, list[Exception]] = field(default_factory=dict)
    down: bool = False
    people: dict[str, dict[str, Any]] = field(default_factory=lambda: {k: dict(v) for k, v in PEOPLE.items()})
    groups: dict[str, list[str]] = field(default_factory=lambda: {"S0DBA": ["U0GINA"]})
    channels: dict[str, dict[str, Any]] = field(default_factory=dict)
    metadata: bool = True
    #: By id: name, content once it is handed over, deleted. ``scans``: so many looks do not show a shared file.
    files: dict[str, dict[str, Any]] = field(default_factory=dict)
    scans: int = 0
    clock: Any = field(default_factory=lambda: itertools.count(1_700_000_001))

    def call(self, method: str, **arguments: Any) -> Mapping[str, Any]:
        """One call, checked."""
        given = {name: value for name, value in arguments.items() if value is not None}
        assert method in METHODS, method
        assert set(given) <= KNOWN[method].args, (method, set(given) - KNOWN[method].args)
        assert KNOWN[method].required <= set(given), method
        self.calls.append((method, given))
        if self.down:
            raise SlackIsSilent("URLError")
        waiting = self.trouble.get(method)
        lost = None
        if waiting:
            lost = waiting.pop(0)
            if not isinstance(lost, LostAnswer):
                raise lost
        answer = getattr(self, "_" + method.replace(".", "_"))(given)
        if lost is not None:
            raise SlackIsSilent("lost")
        return {"ok": True, **answer}

    def upload(self, url: str, content: bytes) -> None:
        """The content of a file, at the address that was given for it."""
        self.calls.append(("upload", {"url": url}))
        waiting = self.trouble.get("upload")
        lost = waiting.pop(0) if waiting else None
        if self.down or (lost is not None and not isinstance(lost, LostAnswer)):
            raise lost or SlackIsSilent("URLError")
        self.files[url.rpartition("/")[2]]["content"] = content
        if lost is not None:
            raise SlackIsSilent("lost")

    def ourselves(self) -> tuple[str, str]:
        self.call("auth.test")
        return BOT, BOT_ID

    def known_self(self) -> tuple[str, str]:
        return BOT, BOT_ID

    def fail(self, method: str, *errors: Exception) -> None:
        """The next calls of a method go wrong like this."""
        self.trouble.setdefault(method, []).extend(errors)

    def called(self, method: str) -> list[dict[str, Any]]:
        """The arguments of every call of a method."""
        return [arguments for name, arguments in self.calls if name == method]

    def of_kind(self, kind: str) -> list[dict[str, Any]]:
        """Messages by the kind of their subject."""
        return [one for one in self.messages if subject_of(one).split(":")[0] == kind]

    def _auth_test(self, _given: Mapping[str, Any]) -> dict[str, Any]:
        return {"user_id": BOT, "bot_id": BOT_ID}

    def _users_info(self, given: Mapping[str, Any]) -> dict[str, Any]:
        user = given["user"]
        if user == "U0NOBODY":
            raise SlackSaysNo("user_not_found")
        known = {"team_id": "T0ACME", **self.people.get(user, {})}
        return {"user": {"id": user, "name": user.lower(), "locale": "en-US", **known}}

    def _usergroups_users_list(self, given: Mapping[str, Any]) -> dict[str, Any]:
        if given["usergroup"] not in self.groups:
            raise SlackSaysNo("no_such_subteam")
        return {"users": self.groups[given["usergroup"]]}

    def _conversations_info(self, given: Mapping[str, Any]) -> dict[str, Any]:
        return {
            "channel": {"id": given["channel"], "is_member": True, **self.channels.get(given["channel"], {})}
        }

    def _conversations_open(self, given: Mapping[str, Any]) -> dict[str, Any]:
        return {"channel": {"id": f"D{given['users'][1:]}"}}

    def _chat_postMessage(self, given: Mapping[str, Any]) -> dict[str, Any]:  # noqa: N802 - Slack's name
        check_message(given.get("blocks"), given["text"])
        ts = f"{next(self.clock)}.000100"
        self.messages.append({**given, "ts": ts, "user": BOT, "reactions": {}})
        return {"ts": ts, "channel": given["channel"]}

    def _chat_postEphemeral(self, given: Mapping[str, Any]) -> dict[str, Any]:  # noqa: N802 - Slack's name
        check_message(given.get("blocks"), given["text"])
        return {"message_ts": "1.0"}

    def _chat_update(self, given: Mapping[str, Any]) -> dict[str, Any]:
        check_message(given.get("blocks"), given["text"], text_most=4000)
        message = self.at(given["ts"])
        message |= {"text": given["text"], "blocks": given.get("blocks")}
        return {"ts": given["ts"]}

    def _reactions_add(self, given: Mapping[str, Any]) -> dict[str, Any]:
        users = self.at(given["timestamp"])["reactions"].setdefault(given["name"], [])
        if BOT in users:
            raise SlackSaysNo("already_reacted")
        users.append(BOT)
        return {}

    def _reactions_get(self, given: Mapping[str, Any]) -> dict[str, Any]:
        found = self.at(given["timestamp"])["reactions"]
        return {"message": {"reactions": [{"name": n, "users": list(u)} for n, u in found.items()]}}

    def _conversations_history(self, given: Mapping[str, Any]) -> dict[str, Any]:
        found = [
            one for one in self.messages if one["channel"] == given["channel"] and "thread_ts" not in one
        ]
        return {"messages": self._seen(found)}

    def _conversations_replies(self, given: Mapping[str, Any]) -> dict[str, Any]:
        found = [one for one in self.messages if given["ts"] in (one["ts"], one.get("thread_ts"))]
        return {"messages": self._seen(found)}

    def _files_getUploadURLExternal(self, given: Mapping[str, Any]) -> dict[str, Any]:  # noqa: N802 - Slack's name
        file = f"F{len(self.files) + 1}"
        self.files[file] = {"name": given["filename"], "length": given["length"]}
        return {"file_id": file, "upload_url": f"https://files.slack.test/upload/{file}"}

    def _files_completeUploadExternal(self, given: Mapping[str, Any]) -> dict[str, Any]:  # noqa: N802 - Slack's name
        for one in given["files"]:
            assert len(self.files[one["id"]]["content"]) == self.files[one["id"]]["length"]
        ts = f"{next(self.clock)}.000100"
        self.messages.append(
            {
                "channel": given["channel_id"],
                "thread_ts": given["thread_ts"],
                "text": given["initial_comment"],
                "files": [dict(one) for one in given["files"]],
                "ts": ts,
                "user": BOT,
                "reactions": {},
            }
        )
        return {"files": given["files"]}

    def _files_delete(self, given: Mapping[str, Any]) -> dict[str, Any]:
        file = self.files.get(given["file"])
        if file is None or "content" not in file:
            raise SlackSaysNo("file_not_found")
        if file.get("deleted"):
            raise SlackSaysNo("file_deleted")
        file["deleted"] = True
        return {}

    def _views_open(self, given: Mapping[str, Any]) -> dict[str, Any]:
        check_view(given["view"])
        return {"view": {"id": "V1"}}

    def _views_publish(self, given: Mapping[str, Any]) -> dict[str, Any]:
        check_view(given["view"])
        return {}

    def _seen(self, found: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
        if self.scans and any("files" in one for one in found):
            self.scans -= 1
            found = [one for one in found if "files" not in one]
        if self.metadata:
            return list(found)
        return [{key: value for key, value in one.items() if key != "metadata"} for one in found]

    def at(self, ts: str) -> dict[str, Any]:
        """The message with this ts."""
        for one in self.messages:
            if one["ts"] == ts:
                return one
        raise SlackSaysNo("message_not_found")


class LostAnswer(Exception):  # noqa: N818 - what happens, not a fault of ours
    """The call is carried out and its answer is lost."""


def busy(seconds: float = 7.0) -> SlackIsBusy:
    return SlackIsBusy(seconds)


def no(code: str) -> SlackSaysNo:
    return SlackSaysNo(code)


def subject_of(message: Mapping[str, Any]) -> str:
    """The subject of one of our messages."""
    return str(message["metadata"]["event_payload"]["subject"]) if "metadata" in message else ""
