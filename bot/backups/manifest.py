"""MANIFEST.json: to bytes and back, strictly. Pure."""

import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from bot.errors import CannotProve, NotOurs
from bot.model.backups import FORMAT_VERSION, Column, Manifest, Member, StreamSummary, TableSummary

FORMAT = "countersign-backup"
#: Without and with streams, each with an SHA-256 of its own; the sums of both are over cells.
_OLDER = (1, 2)
_HASHED_STREAMS = 2
_WITH_STREAMS = (_HASHED_STREAMS, FORMAT_VERSION)


def dump(manifest: Manifest) -> bytes:
    """The bytes of the member.

    Raises:
        CannotProve: ``extra`` holds something that JSON would not give back as it was.
    """
    body = {
        "format": FORMAT,
        "version": manifest.version,
        "backup": manifest.backup_id,
        "tables": [_listed(table) for table in manifest.tables],
        "members": [asdict(member) for member in manifest.members],
        **({"streams": list(map(_known, manifest.streams))} if manifest.version in _WITH_STREAMS else {}),
        "extra": manifest.extra,
    }
    try:
        raw = json.dumps(body, indent=1, allow_nan=False).encode() + b"\n"
        same = json.loads(raw)["extra"] == manifest.extra
    except (TypeError, ValueError, RecursionError):
        raise CannotProve("backups.extra_not_json") from None
    if not same:
        raise CannotProve("backups.extra_not_json")
    return raw


def load(raw: bytes) -> Manifest:
    """The manifest these bytes hold.

    Raises:
        NotOurs: malformed, or of a version that this release does not know.
    """
    try:
        body = json.loads(raw, object_pairs_hook=_unique, parse_constant=_refuse)
        version = body["version"] if body["format"] == FORMAT else None
        if type(version) is int and version not in (*_OLDER, FORMAT_VERSION):
            raise NotOurs("backups.newer_format", version=version)
        return _manifest(body)
    except (KeyError, TypeError, ValueError, RecursionError):
        raise NotOurs("backups.damaged") from None


def _known(stream: StreamSummary) -> dict[str, Any]:
    return {name: value for name, value in asdict(stream).items() if value is not None}


def _manifest(body: Mapping[str, Any]) -> Manifest:
    streams = {"streams"} if body["version"] in _WITH_STREAMS else set()
    _exactly(body, {"format", "version", "backup", "tables", "members", "extra"} | streams)
    _kinds((body["format"], str), (body["version"], int), (body["backup"], str), (body["extra"], dict))
    if body["format"] != FORMAT or (body["version"] in _OLDER and streams and not body["streams"]):
        raise ValueError
    return Manifest(
        backup_id=body["backup"],
        tables=tuple(_table(one, body["version"]) for one in body["tables"]),
        members=tuple(_member(one) for one in body["members"]),
        extra=body["extra"],
        streams=tuple(_stream(one, body["version"]) for one in body.get("streams", ())),
        version=body["version"],
    )


def _listed(table: TableSummary) -> dict[str, Any]:
    return {name: value for name, value in asdict(table).items() if name != "over"}


def _table(one: Mapping[str, Any], version: int) -> TableSummary:
    _exactly(one, {"kind", "name", "folder", "columns", "rows", "sum", "parts"})
    _kinds(
        (one["name"], str), (one["folder"], str), (one["sum"], str), (one["rows"], int), (one["parts"], int)
    )
    if one["kind"] not in ("rows", "nullified"):
        raise ValueError
    columns = tuple(_column(column) for column in one["columns"])
    return TableSummary(**{**one, "columns": columns, "over": "cells" if version in _OLDER else "lines"})


def _stream(one: Mapping[str, Any], version: int) -> StreamSummary:
    hashed = {"sha256"} if version == _HASHED_STREAMS else set()
    _exactly(one, {"name", "folder", "size", "parts"} | hashed)
    _kinds((one["name"], str), (one["folder"], str), (one["size"], int), (one["parts"], int))
    _kinds(*((one[name], str) for name in hashed))
    return StreamSummary(**one)


def _column(one: Mapping[str, Any]) -> Column:
    _exactly(one, {"name", "codec"})
    _kinds((one["name"], str), (one["codec"], str))
    return Column(**one)


def _member(one: Mapping[str, Any]) -> Member:
    _exactly(one, {"name", "size", "sha256"})
    _kinds((one["name"], str), (one["size"], int), (one["sha256"], str))
    return Member(**one)


def _exactly(one: Mapping[str, Any], keys: set[str]) -> None:
    if not isinstance(one, dict) or set(one) != keys:
        raise ValueError


def _kinds(*pairs: tuple[object, type]) -> None:
    if any(type(value) is not kind for value, kind in pairs):
        raise ValueError


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len({key for key, _ in pairs}) != len(pairs):
        raise ValueError
    return dict(pairs)


def _refuse(_: str) -> float:
    raise ValueError
