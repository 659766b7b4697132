"""Bad files: each says what is wrong, on which line, and every problem at once."""

from pathlib import Path

import pytest

from bot.config.load import load, variables
from bot.config.problems import ConfigInvalid

GOOD = """\
workspace: T0ACME
channel: C0DELETIONS
roles:
  support: {users: [U0ALICE], owner: U0CAROL}
  dba: {usergroup: S0DBA, owner: U0CAROL}
targets:
  crm:
    environment: production
    database: {url: "sqlite:///crm.db"}
    records:
      customer: {table: customers, find_by: [id, email], label: "{name}"}
rules:
  - name: erasure
    when: {operation: delete-records, target: crm}
    request: [support]
    approve: [1 of dba]
  - name: restore
    when: {operation: restore}
    request: [support, dba]
    approve: [1 of dba]
"""

SYSTEM = "host: crm-1\n    roots: [/srv/crm]\n    services: [{}]"
OWN = "builtin: {{uninstall: {{command: [/x]}}{}}}"
FILES = "host: crm-1\n    roots: [/srv/crm]\n    files: [{name: pages, path: /srv/crm/pages}]"
RECORDS = """database: {url: "sqlite:///crm.db"}
    records:
      customer: {table: customers, find_by: [id, email], label: "{name}"}"""
COMMANDS = "commands: {start: [/x], stop: [/x], status: [/x]}"
CASES = [
    ("a top-level key with a slip", "channel:", "chanel:", 2, "config.unknown-key-meant"),
    ("a window on a day that there is not", "approve: [1 of dba]", 'approve: [1 of dba]\n    window: {days: [monday], from: "22:00", to: "05:00", zone: UTC}', 17, "config.day"),
    ("a window without quotes that reads as a number", "approve: [1 of dba]", 'approve: [1 of dba]\n    window: {from: 22, to: "05:00", zone: UTC}', 17, "config.clock"),
    ("a window at 25 o'clock", "approve: [1 of dba]", 'approve: [1 of dba]\n    window: {from: "25:00", to: "05:00", zone: UTC}', 17, "config.clock"),
    ("a window that has no length", "approve: [1 of dba]", 'approve: [1 of dba]\n    window: {from: "22:00", to: "22:00", zone: UTC}', 17, "config.window-empty"),
    ("a window that begins at the end of the day", "approve: [1 of dba]", 'approve: [1 of dba]\n    window: {from: "24:00", to: "05:00", zone: UTC}', 17, "config.window-empty"),
    ("a window without a zone", "approve: [1 of dba]", 'approve: [1 of dba]\n    window: {from: "22:00", to: "05:00"}', 17, "config.missing"),
    ("a window in a zone that nobody knows", "approve: [1 of dba]", 'approve: [1 of dba]\n    window: {from: "22:00", to: "05:00", zone: Europe/Atlantis}', 17, "config.zone"),
    ("a zone that is a path", "approve: [1 of dba]", 'approve: [1 of dba]\n    window: {from: "22:00", to: "05:00", zone: ../../etc/passwd}', 17, "config.zone"),
    ("a zone in other letters", "approve: [1 of dba]", 'approve: [1 of dba]\n    window: {from: "22:00", to: "05:00", zone: europe/berlin}', 17, "config.zone"),
    ("no window at all", "approve: [1 of dba]", "approve: [1 of dba]\n    window: []", 17, "config.empty-list"),
    ("a window with a slip in a list", "approve: [1 of dba]", 'approve: [1 of dba]\n    window:\n      - {from: "22:00", too: "05:00", zone: UTC}', 18, "config.unknown-key-meant"),
    ("a window for restores", "request: [support, dba]", 'request: [support, dba]\n    window: {from: "22:00", to: "05:00", zone: UTC}', 17, "config.only-destroying"),
    ("a cap on restores", "request: [support, dba]", "request: [support, dba]\n    limit: {rows: 5}", 17, "config.only-destroying"),
    ("a demanded number for restores", "request: [support, dba]", "request: [support, dba]\n    expected: required", 17, "config.only-destroying"),
    ("a cap on nothing", "approve: [1 of dba]", "approve: [1 of dba]\n    limit: {per: 24h}", 17, "config.limit-empty"),
    ("a cap that lets nothing through", "approve: [1 of dba]", "approve: [1 of dba]\n    limit: {rows: 0}", 17, "config.limit-zero"),
    ("a cap for a day of no length", "approve: [1 of dba]", "approve: [1 of dba]\n    limit: {rows: 5, per: 0}", 17, "config.duration-zero"),
    ("a number that is demanded in other words", "approve: [1 of dba]", "approve: [1 of dba]\n    expected: maybe", 17, "config.expected"),
    ("a closed period backwards", "channel: C0DELETIONS", "channel: C0DELETIONS\ncalendar: {zone: UTC, closed: [{from: 2027-01-06, to: 2026-12-20}]}", 3, "config.closed-order"),
    ("a closed moment of no length", "channel: C0DELETIONS", "channel: C0DELETIONS\ncalendar: {zone: UTC, closed: [{from: 2027-01-06 08:00, to: 2027-01-06 08:00}]}", 3, "config.closed-order"),
    ("a day that there is not", "channel: C0DELETIONS", "channel: C0DELETIONS\ncalendar: {zone: UTC, closed: [{from: 2027-02-29, to: 2027-03-01}]}", 3, "config.moment"),
    ("a date as somebody else writes it", "channel: C0DELETIONS", "channel: C0DELETIONS\ncalendar: {zone: UTC, closed: [{from: 24.12.2026, to: 2027-03-01}]}", 3, "config.moment"),
    ("a date beyond all calendars", "channel: C0DELETIONS", "channel: C0DELETIONS\ncalendar: {zone: UTC, closed: [{from: 2026-12-24, to: 9999-12-31}]}", 3, "config.moment"),
    ("a calendar in which nothing is closed", "channel: C0DELETIONS", "channel: C0DELETIONS\ncalendar: {zone: UTC, closed: []}", 3, "config.empty-list"),
    ("a closed period for a system that there is not", "channel: C0DELETIONS", "channel: C0DELETIONS\ncalendar: {zone: UTC, closed: [{from: 2026-12-20, to: 2027-01-06, targets: [cmr]}]}", 3, "config.unknown-target-meant"),
    ("a key that nothing resembles", "channel: C0DELETIONS", "channel: C0X\nzzz: 1", 3, "config.unknown-top-key"),
    ("an unknown key inside a record", "label:", "zzz:", 11, "config.unknown-key"),
    ("a key of a later version", "records:", "holds: night\n    records:", 10, "config.later-key"),
    ("a target that names itself", "environment: production", "name: crm", 8, "config.unknown-key"),
    ("a missing required key", 'database: {url: "sqlite:///crm.db"}', "database: {csv: true}", 9, "config.missing"),
    ("a system that has neither a database nor files", 'database: {url: "sqlite:///crm.db"}', "max_lock: 5s", 7, "config.no-database"),
    ("a system that is a service alone", 'database: {url: "sqlite:///crm.db"}', SYSTEM.format("{name: web, supervisor: /s, program: w}"), 7, "config.no-database"),
    ("records in a system without a database", 'database: {url: "sqlite:///crm.db"}', FILES, 7, "config.needs-database"),
    *[
        (f"{key} in a system without a database", RECORDS, f"{FILES}\n    {key}: {value}", 7, "config.needs-database")
        for key, value in (
            ("soft_references", "[{from: a.b, to: c.d}]"),
            ("ignored_references", "[a.b]"),
            ("attachments", "[{column: a.b, file: /srv/x}]"),
            ("segments", "{above: 5}"),
            ("checks", '[{name: rows, sql: "SELECT 1"}]'),
            ("residue", "{accounts: clear}"),
        )
    ],
    ("a missing top-level key", "workspace: T0ACME\n", "", 1, "config.missing-top"),
    ("a service that nobody keeps running", "environment: production", SYSTEM.format("{name: web}"), 10, "config.service-kind"),
    ("a service with a supervisor and no program", "environment: production", SYSTEM.format("{name: web, supervisor: /s}"), 10, "config.service-kind"),
    ("a service in both ways", "environment: production", SYSTEM.format(f"{{name: web, supervisor: /s, program: w, ports: [1], {COMMANDS}}}"), 10, "config.service-kind"),
    ("a service behind commands without a port", "environment: production", SYSTEM.format(f"{{name: web, {COMMANDS}}}"), 10, "config.service-ports"),
    ("a command of a shell", "environment: production", SYSTEM.format("{name: web, ports: [1], commands: {start: [/x], stop: [/x], status: [x status]}}"), 10, "config.path"),
    ("a command that is one text", "environment: production", SYSTEM.format("{name: web, ports: [1], commands: {start: [/x], stop: [/x], status: /x status}}"), 10, "config.need-list"),
    ("a command without words", "environment: production", SYSTEM.format("{name: web, ports: [1], commands: {start: [], stop: [/x], status: [/x]}}"), 10, "config.empty-list"),
    ("a service that cannot be asked", "environment: production", SYSTEM.format("{name: web, ports: [1], commands: {start: [/x], stop: [/x]}}"), 10, "config.missing"),
    ("a way to tear down that there is not", "environment: production", "method: by-magic", 8, "config.method"),
    ("its own uninstall without saying how", "environment: production", "method: [builtin, by-steps]", 7, "config.method-builtin"),
    ("its own uninstall that is no way", "environment: production", f"method: by-steps\n    {OWN.format('')}", 7, "config.method-builtin"),
    ("one way twice", "environment: production", "method: [by-steps, by-steps]", 7, "config.method-builtin"),
    ("no way at all", "environment: production", "method: []", 8, "config.empty-list"),
    ("an uninstall in two ways", "environment: production", "builtin: {uninstall: {http: 'http://h/x', command: [/x]}}", 8, "config.call-kind"),
    ("a command with a verb", "environment: production", "builtin: {uninstall: {command: [/x], verb: POST}}", 8, "config.call-kind"),
    ("an uninstall that is nothing", "environment: production", "builtin: {uninstall: {verb: POST}}", 8, "config.call-kind"),
    ("an uninstall through a shell", "environment: production", "builtin: {uninstall: {command: [crm, uninstall]}}", 8, "config.path"),
    ("an uninstall with a password in it", "environment: production", "builtin: {uninstall: {http: 'http://u:p@h/x'}}", 8, "config.endpoint"),
    ("an uninstall with a token in it", "environment: production", "builtin: {uninstall: {http: 'http://h/x?token=1'}}", 8, "config.endpoint"),
    ("an unknown verb", "environment: production", "builtin: {uninstall: {http: 'http://h/x', verb: BURN}}", 8, "config.verb"),
    ("a secret instead of a name", "environment: production", OWN.format(", credential: s3cr3t"), 8, "config.credential"),
    ("a variable instead of a name", "environment: production", OWN.format(", credential: '${TOKEN}'"), 8, "config.variable-place"),
    ("a name with a meaning of its own", "environment: production", OWN.format(", credential: PATH"), 8, "config.credential-taken"),
    ("a name that only the bot may know", "environment: production", OWN.format(", credential: SLACK_BOT_TOKEN"), 8, "config.credential-taken"),
    ("a credential in the clear", "environment: production", "builtin: {uninstall: {http: 'http://h/x'}, credential: TOKEN}", 8, "config.credential-clear"),
    ("a credential for almost this machine", "environment: production", "builtin: {uninstall: {http: 'http://127.0.0.1.example.com/x'}, credential: TOKEN}", 8, "config.credential-clear"),
    ("text as a boolean", "environment: production", OWN.format(", running: sometimes"), 8, "config.need-boolean"),
    ("a part that there is not", "environment: production", OWN.format(", leaves: [uploads]"), 7, "config.builtin-part"),
    ("a check that there is not", "environment: production", OWN.format(", requires: {checks: [page]}"), 7, "config.builtin-part"),
    ("something to do for a role that there is not", "environment: production", "checklist: [{name: DNS, who: dbb}]", 8, "config.unknown-role-meant"),
    ("the same thing to do twice", "environment: production", "checklist: [{name: DNS}, {name: DNS}]", 8, "config.copy-twice"),
    ("residue of no name", "environment: production", "residue: {names: ['']}", 8, "config.name"),
    ("residue looked for nowhere", "environment: production", "residue: {look_in: []}", 8, "config.empty-list"),
    ("residue with a step back", "environment: production", "residue: {files: [/opt/../etc/*]}", 8, "config.path"),
    ("a check of two kinds", "environment: production", "checks: [{name: page, http: 'http://h/', sql: SELECT 1}]", 8, "config.check-kind"),
    ("a check of no kind", "environment: production", "replaced_by: [{name: page}]", 8, "config.check-kind"),
    ("a database of a page", "environment: production", "checks: [{name: page, http: 'http://h/', database: 'sqlite:///x.db'}]", 8, "config.check-database"),
    ("a question to nobody's database", "environment: production", "neighbours: [{name: shop, sql: SELECT 1}]", 7, "config.check-whose"),
    ("a question to the database that goes, about what replaces it", "environment: production", "replaced_by: {name: new, sql: SELECT 1}", 7, "config.check-whose"),
    ("a check with a password in the file", "environment: production", "checks: [{name: page, sql: SELECT 1, database: 'postgresql://u:p@h/crm'}]", 8, "config.check-password"),
    ("what replaces it, with a password in the file and no list around it", "environment: production", "replaced_by: {name: page, sql: SELECT 1, database: 'postgresql://u:p@h/crm'}", 8, "config.check-password"),
    ("what replaces it, in a strange database", "environment: production", "replaced_by: {name: page, sql: SELECT 1, database: 'oracle://h/crm'}", 8, "config.database-kind"),
    ("a check of a strange database", "environment: production", "checks: [{name: page, sql: SELECT 1, database: 'oracle://h/crm'}]", 8, "config.database-kind"),
    ("a check with a variable of the bot", "environment: production", "checks: [{name: page, sql: SELECT 1, database: '${SLACK_BOT_TOKEN}'}]", 8, "config.variable-taken"),
    ("a question with a variable in it", "environment: production", "checks: [{name: page, sql: 'SELECT ${SECRET}'}]", 8, "config.variable-place"),
    ("a system in its own place", "environment: production", "replaced_by: crm", 8, "config.successor-itself"),
    ("a successor that there is not", "environment: production", "replaced_by: cmr", 8, "config.unknown-target-meant"),
    ("two successors of one name", "environment: production", "replaced_by: [{name: a, port: 'h:1'}, {name: a, port: 'h:2'}]", 7, "config.part-twice"),
    ("a part of a database that has no parts", '{url: "sqlite:///crm.db"}', '{url: "sqlite:///crm.db", schemas: [crm]}', 9, "config.schemas-kind"),
    ("text instead of yes", '{url: "sqlite:///crm.db"}', '{url: "sqlite:///crm.db", csv: "yes"}', 9, "config.need-boolean"),
    ("a schema that is everybody's", '{url: "sqlite:///crm.db"}', '{url: "postgresql://h/crm", schemas: [crm, public]}', 9, "config.schema-system"),
    ("a schema of the server", '{url: "sqlite:///crm.db"}', '{url: "postgresql://h/crm", schemas: [pg_toast]}', 9, "config.schema-system"),
    ("a schema twice", '{url: "sqlite:///crm.db"}', '{url: "postgresql://h/crm", schemas: [crm, crm]}', 9, "config.schema-twice"),
    ("a schema with too long a name", '{url: "sqlite:///crm.db"}', f"{{url: 'postgresql://h/crm', schemas: [{'ä' * 32}]}}", 9, "config.long"),
    ("no schema at all", '{url: "sqlite:///crm.db"}', '{url: "postgresql://h/crm", schemas: []}', 9, "config.empty-list"),
    ("roles cleared away that a file does not have", "environment: production", "residue: {accounts: clear}", 7, "config.accounts"),
    ("roles cleared away of a database of several systems", '{url: "sqlite:///crm.db"}', '{url: "postgresql://h/crm", schemas: [crm]}\n    residue: {accounts: clear}', 7, "config.accounts"),
    ("accounts cleared away of some tables", '{url: "sqlite:///crm.db"}', '{url: "mysql://h/crm", tables: [a]}\n    residue: {accounts: clear}', 7, "config.accounts"),
    ("roles that are to be dropped", "environment: production", "residue: {accounts: drop}", 8, "config.wrong"),
    ("tables of a file", '{url: "sqlite:///crm.db"}', '{url: "sqlite:///crm.db", tables: [a]}', 9, "config.tables-kind"),
    ("tables beside schemas", '{url: "sqlite:///crm.db"}', '{url: "postgresql://h/crm", schemas: [crm], tables: [a]}', 9, "config.schemas-and-tables"),
    ("a table twice", '{url: "sqlite:///crm.db"}', '{url: "postgresql://h/crm", tables: [a, A, public.a]}', 9, "config.table-twice"),
    ("a table of no name", '{url: "sqlite:///crm.db"}', '{url: "postgresql://h/crm", tables: [crm.]}', 9, "config.table-path"),
    ("a table of no schema", '{url: "sqlite:///crm.db"}', '{url: "postgresql://h/crm", tables: [.orders]}', 9, "config.table-path"),
    ("a table of the server", '{url: "sqlite:///crm.db"}', '{url: "postgresql://h/crm", tables: [pg_catalog.pg_class]}', 9, "config.table-system"),
    ("no table at all", '{url: "sqlite:///crm.db"}', '{url: "postgresql://h/crm", tables: []}', 9, "config.empty-list"),
    ("a number where text belongs", "workspace: T0ACME", "workspace: 7", 1, "config.need-text"),
    ("a boolean where text belongs", "environment: production", "environment: true", 8, "config.need-text"),
    ("text where a list belongs", "request: [support]", "request: support", 15, "config.need-list"),
    ("a list where keys belong", '{url: "sqlite:///crm.db"}', "[crm.db]", 9, "config.need-mapping"),
    ("text where a role belongs", "{usergroup: S0DBA, owner: U0CAROL}", "S0DBA", 5, "config.need-mapping"),
    ("a boolean as a number of rows", "target: crm}", "rows: {at_most: true}}", 14, "config.need-number"),
    ("a number of rows in quotes", "target: crm}", 'rows: {at_most: "5"}}', 14, "config.need-number"),
    ("less than no rows", "target: crm}", "rows: {at_most: -1}}", 14, "config.need-number"),
    ("half a row of drift", "request: [support]\n", "request: [support]\n    drift: {rows: 0.5}\n", 16, "config.need-number"),
    ("an empty value", "environment: production", "environment:", 8, "config.no-value"),
    ("an empty condition is not any", "target: crm}", "target: }", 14, "config.no-value"),
    ("an empty list is not everyone", "approve: [1 of dba]\n  - name: restore", "approve: []\n  - name: restore", 16, "config.empty-list"),
    ("an empty list of targets is not every target", "target: crm}", "target: []}", 14, "config.empty-list"),
    ("nobody may ask", "request: [support]", "request: []", 15, "config.empty-list"),
    ("no column to find by", "[id, email]", "[]", 11, "config.empty-list"),
    ("typographic quotes", '"sqlite:///crm.db"', "\u201csqlite:///crm.db\u201d", 9, "config.curly"),
    ("a number among the columns to find by", "[id, email]", "[id, 7]", 11, "config.need-text"),
    ("blank text", "environment: production", 'support: "  "', 8, "config.blank"),
    ("text with a line break", "environment: production", 'support: "a\\nb"', 8, "config.control"),
    ("text that turns the reading direction", "environment: production", 'support: "a\\u202Eb"', 8, "config.control"),
    ("endless text", "environment: production", f"support: {'x' * 501}", 8, "config.long"),
    ("a record type with a space in its name", "customer:", "the customer:", 11, "config.name"),
    ("a person by name", "users: [U0ALICE]", 'users: ["@alice"]', 4, "config.user-id"),
    ("a user group by name", "usergroup: S0DBA", 'usergroup: "@dba"', 5, "config.usergroup-id"),
    ("a channel by name", "channel: C0DELETIONS", 'channel: "#deletions"', 2, "config.channel-id"),
    ("a direct message as channel", "channel: C0DELETIONS", "channel: D0ALICE", 2, "config.channel-id"),
    ("a workspace by name", "workspace: T0ACME", "workspace: acme", 1, "config.workspace-id"),
    ("a language without catalogue", "channel:", "language: tlh\nchannel:", 2, "config.language"),
    ("an operation with a slip", "operation: restore", "operation: restor", 18, "config.operation-meant"),
    ("an operation that nothing resembles", "operation: restore", "operation: xyzzy", 18, "config.operation"),
    ("an operation of a later version", "operation: restore", "operation: hold", 18, "config.later-operation"),
    ("a label that reaches into objects", '"{name}"', '"{name.__class__}"', 11, "config.label"),
    ("a label without a column", '"{name}"', '"name"', 11, "config.label"),
    ("a label without quotes", '"{name}"', "{name}", 11, "config.no-value"),
    ("a duration without unit", "request: [support]\n", "request: [support]\n    expires: 30\n", 16, "config.duration"),
    ("a duration with a fraction", "request: [support]\n", "request: [support]\n    expires: 1.5h\n", 16, "config.duration"),
    ("a negative duration", "request: [support]\n", 'request: [support]\n    expires: "-1h"\n', 16, "config.duration"),
    ("a boolean as duration", "request: [support]\n", "request: [support]\n    cooling_off: false\n", 16, "config.duration"),
    ("an eternity", "request: [support]\n", "request: [support]\n    expires: 999999999d\n", 16, "config.duration-long"),
    ("requests that expire at once", "request: [support]\n", "request: [support]\n    expires: 0s\n", 16, "config.duration-zero"),
    ("backups that are not kept", "rules:\n", "backups: {keep: 0d}\nrules:\n", 12, "config.duration-zero"),
    ("an approval without a number", "approve: [1 of dba]\n  - name: restore", "approve: [dba]\n  - name: restore", 16, "config.slot"),
    ("an approval by nobody", "approve: [1 of dba]\n  - name: restore", "approve: [0 of dba]\n  - name: restore", 16, "config.slot-zero"),
    ("parts of no kind", "approve: [1 of dba]\n  - name: restore", "approve: [some: [1 of dba, 1 of support]]\n  - name: restore", 16, "config.need"),
    ("a choice of one", "approve: [1 of dba]\n  - name: restore", "approve: [any: [1 of dba]]\n  - name: restore", 16, "config.need"),
    ("an approval by nobody in a part", "approve: [1 of dba]\n  - name: restore", "approve: [any: [1 of dba, 0 of support]]\n  - name: restore", 16, "config.slot-zero"),
    ("an unknown role in a part", "approve: [1 of dba]\n  - name: restore", "approve: [any: [1 of dba, 1 of suport]]\n  - name: restore", 16, "config.unknown-role-meant"),
    ("an unknown role that is excepted from a slot", "approve: [1 of dba]\n  - name: restore", "approve: [1 of dba except suport]\n  - name: restore", 16, "config.unknown-role-meant"),
    ("an unknown role that is excepted", "approve: [1 of dba]\n  - name: restore", "approve: [1 of dba]\n    except: [suport]\n  - name: restore", 17, "config.unknown-role-meant"),
    ("an unknown role that may deny", "approve: [1 of dba]\n  - name: restore", "approve: [1 of dba]\n    veto: [suport]\n  - name: restore", 17, "config.unknown-role-meant"),
    ("nobody is excepted", "approve: [1 of dba]\n  - name: restore", "approve: [1 of dba]\n    except: []\n  - name: restore", 17, "config.empty-list"),
    ("stages beside an approval", "approve: [1 of dba]\n  - name: restore", "approve: [1 of dba]\n    stages: [{name: a, approve: [1 of dba]}]\n  - name: restore", 13, "config.approve-or-stages"),
    ("neither an approval nor stages", "approve: [1 of dba]\n  - name: restore", "cooling_off: 5s\n  - name: restore", 13, "config.approve-or-stages"),
    ("no stages at all", "approve: [1 of dba]\n  - name: restore", "stages: []\n  - name: restore", 16, "config.empty-list"),
    ("a stage that needs nobody", "approve: [1 of dba]\n  - name: restore", "stages: [{name: a, approve: []}]\n  - name: restore", 16, "config.empty-list"),
    ("a stage without a name", "approve: [1 of dba]\n  - name: restore", "stages: [{approve: [1 of dba]}]\n  - name: restore", 16, "config.missing"),
    ("a stage with a slip in a key", "approve: [1 of dba]\n  - name: restore", "stages: [{name: a, approves: [1 of dba]}]\n  - name: restore", 16, "config.unknown-key-meant"),
    ("an unknown role in a stage", "approve: [1 of dba]\n  - name: restore", "stages: [{name: a, approve: [1 of suport]}]\n  - name: restore", 16, "config.unknown-role-meant"),
    ("two stages of one name", "approve: [1 of dba]\n  - name: restore", "stages: [{name: a, approve: [1 of dba]}, {name: a, approve: [1 of support]}]\n  - name: restore", 13, "config.stage-twice"),
    ("an order of what", "approve: [1 of dba]\n  - name: restore", "approve: [1 of dba]\n    order: in-turn\n  - name: restore", 13, "config.order-of-what"),
    ("an order that there is not", "approve: [1 of dba]\n  - name: restore", "stages: [{name: a, approve: [1 of dba]}]\n    order: backwards\n  - name: restore", 17, "config.order"),
    ("a quorum of a crowd", "approve: [1 of dba]\n  - name: restore", "approve: [31 of dba]\n  - name: restore", 13, "config.quorum-large"),
    ("a quorum that can be met in too many ways", "approve: [1 of dba]\n  - name: restore", "approve: [" + ", ".join(["any: [1 of dba, 1 of support]"] * 7) + "]\n  - name: restore", 13, "config.quorum-large"),
    ("a role for nobody", "{usergroup: S0DBA, owner: U0CAROL}", "{owner: U0CAROL}", 5, "config.role-empty"),
    ("a role with no users", "users: [U0ALICE]", "users: []", 4, "config.role-empty"),
    ("a variable where everybody reads", "environment: production", 'support: "${PASSWORD}"', 8, "config.variable-place"),
    ("a variable in a rule", "approve: [1 of dba]\n  - name: restore", 'approve: ["${SLOT}"]\n  - name: restore', 16, "config.variable-place"),
    ("a variable with a dash", "sqlite:///crm.db", "${CRM-URL}", 9, "config.variable-form"),
    ("a variable that does not end", "sqlite:///crm.db", "${CRM_URL", 9, "config.variable-form"),
    ("a variable that only the bot may know", "sqlite:///crm.db", "${SLACK_BOT_TOKEN}", 9, "config.variable-taken"),
    ("a variable that is not set", "sqlite:///crm.db", "${CRM_URL}", 9, "config.variable-missing"),
    ("a variable that is set to nothing", "sqlite:///crm.db", "${EMPTY}", 9, "config.variable-missing"),
    ("a path instead of an address", "sqlite:///crm.db", "crm.db", 9, "config.url"),
    ("a database of another kind", "sqlite:///crm.db", "oracle://u:p@h/db", 9, "config.database-kind"),
    ("a server without a database", "sqlite:///crm.db", "postgresql://u:p@h", 9, "config.database-name"),
    ("a server with an empty database", "sqlite:///crm.db", "postgresql://u:p@h/?sslmode=require", 9, "config.database-name"),
    ("a database in memory", "sqlite:///crm.db", "sqlite://", 9, "config.database-file"),
    ("a database in memory by name", "sqlite:///crm.db", "sqlite:///:memory:", 9, "config.database-file"),
    ("a database without a file", "sqlite:///crm.db", "sqlite:///", 9, "config.database-file"),
    ("a store of another kind", "rules:\n", 'backups: {store: "gs://bucket"}\nrules:\n', 12, "config.store"),
    ("a store on another machine", "rules:\n", 'backups: {store: "file://host/x"}\nrules:\n', 12, "config.store"),
    ("two rules of one name", "name: restore", "name: erasure", 17, "config.rule-twice"),
    ("a key twice", "channel: C0DELETIONS", "channel: C0A\nchannel: C0B", 3, "config.duplicate"),
    ("a role twice", "  dba:", "  support: {users: [U0BOB]}\n  dba:", 5, "config.duplicate"),
    ("a key that reads as a number", "customer:", "7:", 11, "config.key-quotes"),
    ("a deletion by record mixed with a restore", "operation: restore}", "operation: restore, record: customer}", 18, "config.record-where"),
    ("rows of an unfreeze", "operation: restore}", "operation: [unfreeze], rows: {at_most: 1}}", 18, "config.rows-where"),
    ("a role with a slip in request", "request: [support, dba]", "request: [suport, dba]", 19, "config.unknown-role-meant"),
    ("a role that nothing resembles", "request: [support, dba]", "request: [xyzzy]", 19, "config.unknown-role"),
    ("an unknown role in an approval", "approve: [1 of dba]\n  - name: restore", "approve: [1 of ops]\n  - name: restore", 16, "config.unknown-role"),
    ("an unknown target", "target: crm}", "target: shop}", 14, "config.unknown-target"),
    ("a target with a slip in a list", "target: crm}", "target: [crn]}", 14, "config.unknown-target-meant"),
    ("an unknown record type", "target: crm}", "record: invoice}", 14, "config.unknown-record"),
    ("a record type with a slip", "target: crm}", "record: costumer}", 14, "config.unknown-record-meant"),
    ("an unknown environment", "target: crm}", "environment: staging}", 14, "config.unknown-environment"),
    ("a soft reference without a column", "records:", "soft_references: [{from: notes, to: customers.id}]\n    records:", 10, "config.place"),
    ("a text link and a place in JSON at once", "records:", 'soft_references: [{from: notes.body, to: customers.id, prefix: "x,", path: a.b}]\n    records:', 10, "config.prefix-and-path"),
    ("a path that is SQL", "records:", "soft_references: [{from: notes.body, to: customers.id, path: \"a'b\"}]\n    records:", 10, "config.json-path"),
    ("a path that is a number", "records:", "soft_references: [{from: notes.body, to: customers.id, path: a.0}]\n    records:", 10, "config.json-path"),
    ("a copy that a role with a slip ticks off", "records:", "copies: [{name: Index, who: dab}]\n    records:", 10, "config.unknown-role-meant"),
    ("two copies of one name", "records:", "copies: [{name: Index}, {name: Index}]\n    records:", 10, "config.copy-twice"),
    ("a copy without a name", "records:", "copies: [{who: dba}]\n    records:", 10, "config.missing"),
    ("a copy with a novel for a name", "records:", f"copies: [{{name: {'x' * 76}}}]\n    records:", 10, "config.long"),
    ("too many copies", "records:", f"copies: [{', '.join(f'{{name: c{n}}}' for n in range(21))}]\n    records:", 10, "config.many-copies"),
    ("a residue that looks nowhere", 'label: "{name}"}', 'label: "{name}", residue: {identifiers: [email], look_in: []}}', 11, "config.empty-list"),
    ("a residue without an identifier", 'label: "{name}"}', 'label: "{name}", residue: {look_in: [a.b]}}', 11, "config.missing"),
    ("a residue in a table without a column", 'label: "{name}"}', 'label: "{name}", residue: {identifiers: [email], look_in: [orders]}}', 11, "config.place"),
    ("a residue in too many columns", 'label: "{name}"}', f'label: "{{name}}", residue: {{identifiers: [email], look_in: [{", ".join(f"t.c{n}" for n in range(51))}]}}}}', 11, "config.many-places"),
    ("a link without an arrow", 'label: "{name}"}', 'label: "{name}", links: {"orders.owner_id": block}}', 11, "config.link"),
    ("a link without a column", 'label: "{name}"}', 'label: "{name}", links: {"orders -> users.id": block}}', 11, "config.link"),
    ("a policy with a slip", 'label: "{name}"}', 'label: "{name}", links: {"orders.owner_id -> customers.id": folow}}', 11, "config.link-policy"),
    ("a policy that is a number", 'label: "{name}"}', 'label: "{name}", links: {"orders.owner_id -> customers.id": 3}}', 11, "config.link-policy"),
    ("a link that is handed over to records of another kind", 'label: "{name}"}', 'label: "{name}", links: {"orders.owner_id -> users.id": reassign}}', 11, "config.link-reassign"),
    ("links that are a list", 'label: "{name}"}', 'label: "{name}", links: [orders.owner_id]}', 11, "config.need-mapping"),
    ("an explicit Python object", "T0ACME", "!!python/object/apply:os.system [id]", 1, "config.tag"),
    ("a tag on a key", "workspace:", "!x workspace:", 1, "config.tag"),
    ("an anchor", "T0ACME", "&a T0ACME", 1, "config.anchor"),
    ("a reference", "C0DELETIONS", "*a", 2, "config.anchor"),
    ("a merge key", "  dba: {", "  dba: {<<: {}, ", 5, "config.unknown-key"),
    ("a mapping as key", "workspace:", "{a: b}:", 1, "config.key"),
    ("a tab as indentation", "  crm:", "\tcrm:", 7, "config.tab"),
    ("a bracket that does not close", "[support]", "[support", 16, "config.syntax"),
    ("a variable without quotes in brackets", '"sqlite:///crm.db"', "${CRM}", 9, "config.syntax"),
    ("a second document", "channel:", "---\nchannel:", 2, "config.documents"),
    ("another version of YAML", "workspace:", "%YAML 1.1\n---\nworkspace:", 1, "config.directive"),
]  # fmt: skip


def problems(folder: Path, text: str | bytes, resolve: dict[str, str] | None = None) -> ConfigInvalid:
    file = folder / "countersign.yml"
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(ConfigInvalid) as caught:
        load(file, resolve)
    return caught.value


@pytest.mark.parametrize(
    ("before", "after", "line", "key"), [c[1:] for c in CASES], ids=[c[0] for c in CASES]
)
def test_one_problem_in_an_otherwise_good_file(
    tmp_path: Path, before: str, after: str, line: int, key: str
) -> None:
    assert before in GOOD
    text = GOOD.replace(before, after, 1)
    found = problems(tmp_path, text, {"EMPTY": ""}).problems
    assert [(one.line, one.key) for one in found] == [(line, key)]
    assert found[0].file == str(tmp_path / "countersign.yml")
    sentence = found[0].sentence()
    assert f"line {line}: " in sentence
    assert "\n" not in sentence


def test_the_good_file_is_good(tmp_path: Path) -> None:
    (tmp_path / "c.yml").write_text(GOOD)
    assert load(tmp_path / "c.yml", {}).targets["crm"].records["customer"].label_columns == ("name",)


def test_a_target_knows_its_name(tmp_path: Path) -> None:
    (tmp_path / "c.yml").write_text(GOOD)
    assert load(tmp_path / "c.yml", None).targets["crm"].name == "crm"


def test_everything_wrong_is_said_at_once_in_the_order_of_the_file(tmp_path: Path) -> None:
    text = (
        GOOD.replace("T0ACME", "acme")
        .replace("usergroup: S0DBA", "usergruop: S0DBA")
        .replace("sqlite:///crm.db", "${CRM_URL}")
        .replace("target: crm}", "target: shop, zzz: 1}")
        .replace("approve: [1 of dba]", "approve: []")
    )
    found = problems(tmp_path, text, {}).problems
    assert [(one.line, one.key) for one in found] == [
        (1, "config.workspace-id"),
        (5, "config.unknown-key-meant"),
        (9, "config.variable-missing"),
        (14, "config.unknown-key"),
        (14, "config.unknown-target"),
        (16, "config.empty-list"),
        (20, "config.empty-list"),
    ]


@pytest.mark.parametrize(
    ("content", "key"),
    [
        (b"", "config.empty-file"),
        (b" \n\t\n", "config.empty-file"),
        (b"# nothing but words\n", "config.empty-file"),
        (b"\x00\x01\x02", "config.not-text"),
        (b"a: \x07\n", "config.not-text"),
        ("workspace: T0ACME".encode("utf-16"), "config.not-text"),
        (b"a: \xff\xfe\n", "config.not-text"),
        (b"- a\n- b\n", "config.not-mapping"),
        (b"just words\n", "config.not-mapping"),
        (b"a: " + b"x" * 200_001, "config.too-large"),
        (b"a: " + b"[" * 5000, "config.deep"),
        (b"a: " + b"{a: " * 5000, "config.deep"),
        (b"a: &a [x]\nb: [*a, *a]\n", "config.anchor"),
    ],
)
def test_a_file_that_is_no_configuration(tmp_path: Path, content: bytes, key: str) -> None:
    found = problems(tmp_path, content).problems
    assert [one.key for one in found] == [key]
    assert found[0].sentence().count(found[0].file) <= 1


def test_no_file_and_no_permission_are_one_sentence_each(tmp_path: Path) -> None:
    with pytest.raises(ConfigInvalid) as missing:
        load(tmp_path / "nowhere.yml", None)
    with pytest.raises(ConfigInvalid) as folder:
        load(tmp_path, None)
    assert missing.value.problems[0].key == "config.no-file"
    assert folder.value.problems[0].key == "config.unreadable"
    assert "nowhere.yml" in missing.value.sentences()[0]


def test_words_that_other_yaml_reads_as_booleans_are_names(tmp_path: Path) -> None:
    text = GOOD.replace("environment: production", "environment: no").replace("  dba:", "  on:")
    (tmp_path / "c.yml").write_text(
        text.replace("1 of dba", "1 of on").replace("support, dba", "support, on")
    )
    config = load(tmp_path / "c.yml", None)
    assert config.targets["crm"].environment == "no"
    assert "on" in config.roles


def test_variables_stay_as_they_are_for_the_process_that_may_not_know_them(tmp_path: Path) -> None:
    file = tmp_path / "c.yml"
    file.write_text(GOOD.replace("sqlite:///crm.db", "${CRM_URL}"))
    assert load(file, None).targets["crm"].address == "${CRM_URL}"
    assert variables(file) == {"CRM_URL"}
    assert load(file, {"CRM_URL": "sqlite:////x.db"}).targets["crm"].address == "sqlite:////x.db"


def test_a_value_is_filled_in_once_and_never_read_as_yaml(tmp_path: Path) -> None:
    file = tmp_path / "c.yml"
    file.write_text(GOOD.replace("crm.db", "${NAME}"))
    config = load(file, {"NAME": "${OTHER}: [", "OTHER": "secret"})
    assert config.targets["crm"].address == "sqlite:///${OTHER}: ["


def test_paths_start_at_the_folder_of_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "etc"
    folder.mkdir()
    text = GOOD + 'backups: {store: "file:./kept"}\n'
    (folder / "c.yml").write_text(text)
    monkeypatch.chdir(tmp_path)
    config = load(Path("etc/c.yml"), {})
    assert config.targets["crm"].address == f"sqlite:///{folder / 'crm.db'}"
    assert config.backups.folder == str(folder / "kept")
    (folder / "c.yml").write_text(text.replace("./kept", "///srv/kept"))
    assert load(Path("etc/c.yml"), {}).backups.folder == "/srv/kept"


@pytest.mark.parametrize(
    "secret",
    ["oracle://root:hunter2@h/db", "hunter2", "sqlite://hunter2", "sqlite:///hunter2\n.db", "hunter2" * 99],
)
def test_a_resolved_secret_stands_in_no_sentence(tmp_path: Path, secret: str) -> None:
    text = GOOD.replace("sqlite:///crm.db", "${CRM_URL}") + 'backups: {store: "${STORE}"}\n'
    error = problems(tmp_path, text, {"CRM_URL": secret, "STORE": secret})
    assert len(error.problems) == 2
    assert "hunter2" not in repr(error.problems) + str(error) + repr(error) + "".join(error.sentences())
    assert error.__cause__ is None
    assert error.__context__ is None


def test_the_types_do_not_print_a_database_address(tmp_path: Path) -> None:
    (tmp_path / "c.yml").write_text(GOOD)
    assert "crm.db" not in repr(load(tmp_path / "c.yml", {}))
