"""files.*: uploads in three steps, and their end. The caller holds the lock."""

import copy

from bot.sandbox.slack.core import Core, Happening
from bot.sandbox.slack.methods_chat import decoded, publish, writable
from bot.sandbox.slack.workspace import ApiError, Json, Message


def get_upload_url(core: Core, args: Json) -> Json:
    """files.getUploadURLExternal."""
    file = core.fresh("F")
    core.workspace.files[file] = {"id": file, "name": args["filename"], "size": int(args["length"])}
    return {"file_id": file, "upload_url": f"{core.base_url}/upload/{file}"}


def complete_upload(core: Core, args: Json) -> Json:
    """files.completeUploadExternal: shares the uploaded files in one message."""
    files = decoded(args["files"], "invalid_arguments")
    shared = []
    for file in files:
        known = core.workspace.files.get(file.get("id"))
        if known is None or "content" not in known or known.get("deleted"):
            raise ApiError("file_not_found")
        known["title"] = file.get("title") or known["name"]
        shared.append({key: known[key] for key in ("id", "name", "title", "size")})
    for channel in filter(None, [args.get("channel_id"), *str(args.get("channels") or "").split(",")]):
        room = writable(core, channel)
        thread = str(args.get("thread_ts") or "")
        message = Message(
            room.id,
            core.stamp(),
            core.workspace.app_user,
            text=str(args.get("initial_comment") or ""),
            thread_ts=thread,
            bot_id=core.workspace.users[core.workspace.app_user].bot_id,
            files=copy.deepcopy(shared),
        )
        publish(core, message)
    return {"files": shared}


def put(core: Core, user: str, name: str, content: bytes) -> Json:
    """What a person hands over in a form: the file object that the submission carries."""
    file = core.fresh("F")
    address = f"{core.base_url}/files-pri/{core.workspace.team_id}-{file}"
    core.workspace.files[file] = {
        "id": file,
        "name": name,
        "title": name,
        "size": len(content),
        "user": user,
        "mode": "hosted",
        "is_external": False,
        "url_private": f"{address}/{name}",
        "url_private_download": f"{address}/download/{name}",
        "content": content,
    }
    return _shown(core.workspace.files[file])


def info(core: Core, args: Json) -> Json:
    """files.info."""
    known = core.workspace.files.get(args["file"])
    if known is None:
        raise ApiError("file_not_found")
    if known.get("deleted"):
        raise ApiError("file_deleted")
    return {
        "file": _shown(known),
        "comments": [],
        "paging": {"count": 100, "total": 0, "page": 1, "pages": 0},
    }


def _shown(file: Json) -> Json:
    return {key: value for key, value in file.items() if key != "content"}


def delete(core: Core, args: Json) -> Json:
    """files.delete: what was shared of it stays as a tombstone, and nobody can read it any more."""
    known = core.workspace.files.get(args["file"])
    if known is None:
        raise ApiError("file_not_found")
    if known.get("deleted"):
        raise ApiError("file_deleted")
    known["deleted"] = True
    known.pop("content", None)
    for room, messages in core.workspace.messages.items():
        for message in messages.values():
            if any(file["id"] == known["id"] for file in message.files):
                message.files = [
                    {"id": file["id"], "mode": "tombstone"} if file["id"] == known["id"] else file
                    for file in message.files
                ]
                core.tell(Happening("file", room, message.user, message=message))
    return {}
