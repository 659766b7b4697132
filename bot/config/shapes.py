"""Which keys may stand where, and how each is written; what pydantic found, as problems of ours."""

from collections.abc import Iterable, Mapping
from typing import Any

from pydantic import BaseModel

from bot.config import database_types, leftovers, record_types, rule_types, system_types, times, types
from bot.config.lines import Sheet
from bot.config.problems import Place, spoken
from bot.config.values import nearest, short

#: The type at each place; ``*`` is any name or position.
SHAPES: Mapping[Place, type[BaseModel]] = {
    (): types.Config,
    ("roles", "*"): types.Role,
    ("targets", "*"): types.Target,
    ("targets", "*", "database"): database_types.Database,
    ("targets", "*", "records", "*"): record_types.Record,
    ("targets", "*", "records", "*", "residue"): leftovers.Residue,
    ("targets", "*", "soft_references", "*"): record_types.SoftReference,
    ("targets", "*", "attachments", "*"): record_types.Attachment,
    ("targets", "*", "copies", "*"): leftovers.Copy,
    ("targets", "*", "checklist", "*"): leftovers.Copy,
    ("targets", "*", "segments"): types.Segments,
    ("targets", "*", "attachments", "*", "object"): record_types.ObjectPlace,
    ("targets", "*", "services", "*"): types.Service,
    ("targets", "*", "services", "*", "commands"): types.Commands,
    ("targets", "*", "files", "*"): types.Folder,
    ("targets", "*", "checks", "*"): system_types.Check,
    ("targets", "*", "neighbours", "*"): system_types.Check,
    ("targets", "*", "replaced_by", "*"): system_types.Check,
    ("targets", "*", "residue"): system_types.SystemResidue,
    ("targets", "*", "builtin"): types.Builtin,
    ("targets", "*", "builtin", "uninstall"): types.Call,
    ("targets", "*", "builtin", "export"): types.Call,
    ("targets", "*", "builtin", "requires"): types.Requires,
    ("rules", "*"): rule_types.Rule,
    ("rules", "*", "when"): rule_types.When,
    ("rules", "*", "when", "rows"): rule_types.RowLimit,
    ("rules", "*", "drift"): rule_types.Drift,
    ("rules", "*", "stages", "*"): rule_types.StageRule,
    ("rules", "*", "window"): times.Window,
    ("rules", "*", "window", "*"): times.Window,
    ("rules", "*", "limit"): times.Limit,
    ("backups",): types.Backups,
    ("calendar",): times.Calendar,
    ("calendar", "closed", "*"): times.Closed,
}

#: How each key is written.
EXAMPLES: Mapping[str, str] = {
    "workspace": "workspace: T0ACME",
    "channel": "channel: C0DELETIONS",
    "language": "language: en",
    "roles": "roles: {dba: {users: [U0DAVE], owner: U0CAROL}}",
    "users": "users: [U0ALICE, U0BOB]",
    "usergroup": "usergroup: S0DBA",
    "owner": "owner: U0CAROL",
    "targets": 'targets: {crm: {database: {url: "${CRM_DATABASE_URL}"}}}, or targets: [crm] in “closed”',
    "environment": "environment: production",
    "support": 'support: "Example CRM Ltd, +49 30 1234, 24x7"',
    "max_lock": "max_lock: 30s",
    "segments": "segments: {above: 100000, pace: 5000, lag: 10s}",
    "above": "above: 100000",
    "lag": "lag: 10s",
    "pace": "pace: 5000",
    "csv": "csv: true",
    "schemas": "schemas: [crm, billing]",
    "database": 'database: {url: "${CRM_DATABASE_URL}"}, or database: "${SHOP_DATABASE_URL}" in a check',
    "url": 'url: "${CRM_DATABASE_URL}"',
    "records": "records: {customer: {table: customers, find_by: [id, email]}}",
    "tables": "tables: [orders, Sales.Customer]",
    "table": "table: customers",
    "find_by": "find_by: [id, email]",
    "label": 'label: "{name}"',
    "person": "person: slack_id",
    "links": 'links: {"orders.owner_id -> users.id": reassign}',
    "residue": "residue: {identifiers: [email], look_in: [orders.billing_email]} in a record, "
    "residue: {names: [crm]} in a target",
    "names": "names: [crm, crm-mailer]",
    "accounts": "accounts: clear",
    "machine_accounts": "machine_accounts: clear",
    "identifiers": "identifiers: [email, phone]",
    "look_in": "look_in: [orders.billing_email, audit.payload] in a record, look_in: [/etc] in a target",
    "soft_references": "soft_references: [{from: notes.subject_id, to: customers.id}]",
    "ignored_references": "ignored_references: [orders.legacy_id]",
    "from": 'from: notes.subject_id in “soft_references”, from: "22:00" in “window”, '
    "or from: 2026-12-20 in “closed”",
    "to": 'to: customers.id in “soft_references”, to: "05:00" in “window”, or to: 2027-01-06 in “closed”',
    "where": "where: \"subject_type = 'customer'\"",
    "prefix": 'prefix: "party.party,", or prefix: "scans/" in “object”',
    "attachments": "attachments: [{column: documents.path, file: /srv/crm/uploads}]",
    "copies": "copies: [{name: Search index, who: search-team}]",
    "checklist": "checklist: [{name: DNS entry, who: network}]",
    "who": "who: search-team",
    "column": "column: documents.path",
    "file": "file: /srv/crm/uploads",
    "object": "object: {bucket: crm-documents, region: eu-central-1}",
    "bucket": "bucket: crm-documents",
    "endpoint": 'endpoint: "https://minio.example.com:9000"',
    "region": "region: eu-central-1",
    "key_id": 'key_id: "${CRM_S3_KEY_ID}"',
    "secret": 'secret: "${CRM_S3_SECRET}"',
    "host": "host: crm-1",
    "services": "services: [{name: web, supervisor: /run/supervisor.sock, program: crm, ports: [8080]}]",
    "supervisor": "supervisor: /run/supervisor.sock",
    "program": "program: crm",
    "commands": "commands: {start: [/etc/init.d/crm, start], stop: [/etc/init.d/crm, stop], "
    "status: [/etc/init.d/crm, status]}",
    "start": "start: [/etc/init.d/crm, start]",
    "stop": "stop: [/etc/init.d/crm, stop]",
    "ports": "ports: [8080]",
    "wait": "wait: 30s",
    "stays_down": "stays_down: 2s",
    "files": 'files: [{name: uploads, path: /srv/crm/uploads}], or files: ["/opt/*/crm.conf"] in “residue”',
    "path": "path: /srv/crm/uploads in “files”, path: customer.id in “soft_references”",
    "roots": "roots: [/srv/crm]",
    "checks": 'checks: [{name: page, http: "http://127.0.0.1:8080/"}]',
    "neighbours": 'neighbours: [{name: shop, port: "127.0.0.1:8090"}]',
    "replaced_by": "replaced_by: crm-new",
    "http": 'http: "http://127.0.0.1:8080/"',
    "sql": 'sql: "SELECT count(*) > 0 FROM orders"',
    "port": 'port: "127.0.0.1:8080"',
    "status": "status: 200 in a check, or status: [/etc/init.d/crm, status] in “commands”",
    "timeout": "timeout: 5s in a check, or timeout: 60s in “builtin”",
    "tell": "tell: [U0CAROL, C0CRM]",
    "grace": "grace: 7d",
    "method": "method: [builtin, by-steps]",
    "builtin": 'builtin: {uninstall: {http: "http://127.0.0.1:8080/uninstall"}}',
    "uninstall": 'uninstall: {http: "http://127.0.0.1:8080/uninstall"}',
    "export": "export: {command: [/usr/local/bin/crm, export]}",
    "verb": "verb: POST",
    "command": "command: [/usr/local/bin/crm, export]",
    "credential": "credential: CRM_ADMIN_TOKEN",
    "running": "running: true",
    "requires": "requires: {programs: [/usr/local/bin/crm], checks: [page]}",
    "programs": "programs: [/usr/local/bin/crm]",
    "leaves": "leaves: [uploads]",
    "rules": "rules: [{name: restore, when: {operation: restore}, request: [dba], approve: [1 of dba]}]",
    "name": "name: small erasure",
    "when": "when: {operation: delete-records, target: crm}",
    "operation": "operation: delete-records",
    "target": "target: crm",
    "record": "record: customer",
    "rows": "rows: {at_most: 5000} in “when”, rows: 5 in “drift”, or rows: 20000 in “limit”",
    "at_most": "at_most: 5000",
    "request": "request: [support]",
    "approve": "approve: [1 of dba, any: [1 of legal, 1 of ciso]]",
    "stages": "stages: [{name: technical, approve: [2 of dba]}, {name: legal, approve: [1 of legal]}]",
    "order": "order: in-turn",
    "except": "except: [contractor]",
    "veto": "veto: [ciso]",
    "expires": "expires: 4h",
    "cooling_off": "cooling_off: 10s",
    "drift": "drift: {rows: 5}",
    "proof": "proof: code",
    "confirm": "confirm: true",
    "window": 'window: {days: [mon, tue], from: "22:00", to: "05:00", zone: Europe/Berlin}',
    "days": "days: [mon, tue, wed, thu]",
    "zone": "zone: Europe/Berlin",
    "limit": "limit: {rows: 20000, requests: 10, per: 24h}",
    "requests": "requests: 10",
    "per": "per: 24h",
    "expected": "expected: required",
    "calendar": "calendar: {zone: Europe/Berlin, closed: [{from: 2026-12-20, to: 2027-01-06}]}",
    "closed": "closed: [{from: 2026-12-20, to: 2027-01-06, why: year end, targets: [crm]}]",
    "why": 'why: "year end"',
    "backups": 'backups: {store: "file:./backups", keep: 30d}',
    "store": 'store: "file:./backups"',
    "keep": "keep: 30d",
    "lock": "lock: governance",
}

#: Keys of the design that this version does not carry out.
LATER_KEYS = frozenset({"holds", "edges"})

_KINDS: Mapping[str, str] = {
    "string_type": "config.need-text",
    "bool_type": "config.need-boolean",
    "int_type": "config.need-number",
    "float_type": "config.need-number",
    "tuple_type": "config.need-list",
    "mapping_type": "config.need-mapping",
    "dict_type": "config.need-mapping",
    "model_type": "config.need-mapping",
    "model_attributes_type": "config.need-mapping",
    "too_short": "config.empty-list",
    "greater_than_equal": "config.need-number",
    "less_than_equal": "config.need-number",
}


def keys_of(model: type[BaseModel]) -> tuple[str, ...]:
    """The keys that may stand there, as the file spells them."""
    named = ((field.alias or name) for name, field in model.model_fields.items())
    return tuple(key for key in named if (model, key) != (types.Target, "name"))


def shape_at(place: Place) -> type[BaseModel] | None:
    """The type of the mapping at a place, if it is one of ours and not a mapping of names."""
    for pattern, model in SHAPES.items():
        if len(pattern) == len(place) and all(a in ("*", b) for a, b in zip(pattern, place, strict=True)):
            return model
    return None


def drop_unknown_keys(sheet: Sheet, tree: Any, place: Place = ()) -> Any:
    """A copy of the tree without the keys that nothing reads; each is reported."""
    if isinstance(tree, list):
        return [drop_unknown_keys(sheet, item, (*place, number)) for number, item in enumerate(tree)]
    if not isinstance(tree, dict):
        return tree
    model = shape_at(place)
    kept = {}
    for key, value in tree.items():
        if model is not None and key not in keys_of(model):
            _unknown(sheet, (*place, key), key, keys_of(model))
        else:
            kept[key] = drop_unknown_keys(sheet, value, (*place, key))
    return kept


def _unknown(sheet: Sheet, place: Place, key: str, known: Iterable[str]) -> None:
    where = spoken(place[:-1])
    if key in LATER_KEYS:
        sheet.report(place, "config.later-key", key=key)
        return
    meant = nearest(key, known)
    if meant:
        sheet.report(place, "config.unknown-key-meant", key=short(key), meant=meant)
        sheet.broken.add((*place[:-1], meant))
        return
    shown = ", ".join(known)
    if where:
        sheet.report(place, "config.unknown-key", key=short(key), where=short(where), known=shown)
    else:
        sheet.report(place, "config.unknown-top-key", key=short(key), known=shown)


def report_errors(sheet: Sheet, errors: Iterable[Mapping[str, Any]]) -> None:
    """What pydantic found. An error that only follows from another one is left out."""
    found = [(_place_of(error), error) for error in errors]
    places = [place for place, _ in found] + list(sheet.broken)
    for place, error in found:
        follows = any(len(deeper) > len(place) and deeper[: len(place)] == place for deeper in places)
        repeats = any(place[: len(broken)] == broken for broken in sheet.broken)
        if not follows and not repeats:
            _report(sheet, place, error)


def _place_of(error: Mapping[str, Any]) -> Place:
    return tuple(part for part in error["loc"] if part != "[key]")


def _report(sheet: Sheet, place: Place, error: Mapping[str, Any]) -> None:
    key = next((part for part in reversed(place) if isinstance(part, str)), "")
    example = EXAMPLES.get(key, "countersign.example.yml")
    kind = str(error["type"])
    if kind.startswith("config."):
        params = {"key": key, "example": example, **error.get("ctx", {})}
        sheet.report(place, kind, **params)
    elif kind == "missing":
        where = spoken(place[:-1])
        if where:
            sheet.report(place, "config.missing", key=key, where=short(where), example=example)
        else:
            sheet.report(place, "config.missing-top", key=key, example=example)
    else:
        sheet.report(place, _KINDS.get(kind, "config.wrong"), key=short(key), example=_named(place, example))


def _named(place: Place, example: str) -> str:
    """For a value under a name of the user's own, how the whole section is written."""
    named = next((part for part in reversed(place) if isinstance(part, str)), "")
    return EXAMPLES.get(str(place[0]), example) if named not in EXAMPLES and len(place) > 1 else example
