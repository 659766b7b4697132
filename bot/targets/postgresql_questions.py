"""What is asked of a whole PostgreSQL database to find out what it adds up to; see ``postgresql_facts``."""
# ruff: noqa: S608, E501 - constants of this file; a query is easier to read in few lines

_OF_EXTENSION = """EXISTS (SELECT FROM pg_catalog.pg_depend e WHERE e.classid = {table}::regclass
    AND e.objid = {number} AND e.deptype = 'e')"""
_ORDINARY = r"n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'"
_OF_CLASS = _OF_EXTENSION.format(table="'pg_catalog.pg_class'", number="c.oid")
_NAMED = "pg_catalog.quote_ident(n.nspname) || '.' || pg_catalog.quote_ident(c.relname)"
_FROM = "FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace"
#: How facts call a relation. A name with a dot in it is quoted: else two of them could be one.
KNOWN_AS = f"CASE WHEN pg_catalog.strpos(n.nspname || c.relname, '.') > 0 THEN {_NAMED} ELSE n.nspname || '.' || c.relname END"
#: What an extension brought comes back with it, and is in no dump.
_OWN = f"c.relpersistence <> 't' AND {_ORDINARY} AND NOT {_OF_CLASS}"
TABLES = f"SELECT {KNOWN_AS}, {_NAMED} {_FROM} WHERE c.relkind = 'r' AND {_OWN} ORDER BY 1"
SEQUENCES = f"SELECT {KNOWN_AS}, {_NAMED} {_FROM} WHERE c.relkind = 'S' AND {_OWN} ORDER BY 1"
LARGE = "SELECT pg_catalog.encode(pg_catalog.sha256(pg_catalog.lo_get(m.oid)), 'hex') FROM pg_catalog.pg_largeobject_metadata m"
DATABASE = """
SELECT d.oid::bigint, pg_catalog.pg_database_size(d.oid),
       pg_catalog.to_jsonb(d) || pg_catalog.jsonb_build_object('owner', pg_catalog.pg_get_userbyid(d.datdba),
           'encoding', pg_catalog.pg_encoding_to_char(d.encoding)),
       CASE WHEN d.datacl IS NOT NULL THEN (
           SELECT coalesce(pg_catalog.jsonb_agg(pg_catalog.jsonb_build_array(
               coalesce(r.rolname::text, ''), a.privilege_type, a.is_grantable)), '[]')
             FROM pg_catalog.aclexplode(d.datacl) a LEFT JOIN pg_catalog.pg_roles r ON r.oid = a.grantee) END,
       pg_catalog.shobj_description(d.oid, 'pg_database')
  FROM pg_catalog.pg_database d WHERE d.datname = pg_catalog.current_database()
"""
SETTINGS = """
SELECT coalesce(r.rolname::text, ''), s.one
  FROM pg_catalog.pg_db_role_setting d LEFT JOIN pg_catalog.pg_roles r ON r.oid = d.setrole,
       pg_catalog.unnest(d.setconfig) s(one)
 WHERE d.setdatabase = (SELECT oid FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database())
   AND s.one NOT LIKE 'countersign.%'
"""
#: Nothing is written down of what hangs on the server's first role, nor of settings of a role in a database.
ROLES = """
SELECT r.rolname::text FROM pg_catalog.pg_roles r
  JOIN pg_catalog.pg_database b ON b.datname = pg_catalog.current_database()
 WHERE r.oid = b.datdba
    OR EXISTS (SELECT FROM pg_catalog.pg_shdepend d
                WHERE d.refclassid = 'pg_catalog.pg_authid'::regclass AND d.refobjid = r.oid
                  AND (d.dbid = b.oid OR d.classid = 'pg_catalog.pg_database'::regclass AND d.objid = b.oid))
    OR EXISTS (SELECT FROM pg_catalog.pg_db_role_setting s WHERE s.setdatabase = b.oid AND s.setrole = r.oid)
    OR r.oid = 10 AND (
       EXISTS (SELECT FROM pg_catalog.aclexplode(b.datacl) a WHERE a.grantee = r.oid)
       OR EXISTS (SELECT FROM pg_catalog.pg_class c WHERE c.relowner = r.oid AND c.oid >= 16384)
       OR EXISTS (SELECT FROM pg_catalog.pg_proc p WHERE p.proowner = r.oid AND p.oid >= 16384)
       OR EXISTS (SELECT FROM pg_catalog.pg_namespace n WHERE n.nspowner = r.oid AND n.oid >= 16384))
 ORDER BY 1
"""
#: Sessions leave tables and namespaces of their own, and VACUUM writes numbers; all else of these is ours to keep.
_LASTING = "(SELECT oid FROM pg_catalog.pg_class WHERE relpersistence <> 't')"
CATALOGUE = (
    """SELECT pg_catalog.concat_ws('|', oid, relname, relnamespace, relowner, relam, reltablespace, relkind,
           relnatts, relchecks, relrowsecurity, relforcerowsecurity, relreplident, relispartition, relacl, reloptions,
           pg_catalog.pg_get_expr(relpartbound, oid)) FROM pg_catalog.pg_class WHERE relpersistence <> 't'""",
    f"""SELECT pg_catalog.concat_ws('|', attrelid, attnum, attname, atttypid, atttypmod, attnotnull, attidentity,
           attgenerated, attisdropped, attcollation, attacl, attoptions, attstorage)
          FROM pg_catalog.pg_attribute WHERE attrelid IN {_LASTING}""",
    f"SELECT a::text FROM pg_catalog.pg_attrdef a WHERE adrelid IN {_LASTING}",
    f"SELECT c::text FROM pg_catalog.pg_constraint c WHERE conrelid = 0 OR conrelid IN {_LASTING}",
    f"""SELECT pg_catalog.pg_get_indexdef(indexrelid) || indisvalid || indisunique
          FROM pg_catalog.pg_index WHERE indrelid IN {_LASTING}""",
    f"SELECT t::text FROM pg_catalog.pg_trigger t WHERE tgrelid IN {_LASTING}",
    f"SELECT r::text FROM pg_catalog.pg_rewrite r WHERE ev_class IN {_LASTING}",
    "SELECT p::text FROM pg_catalog.pg_proc p",
    "SELECT p::text FROM pg_catalog.pg_policy p",
    "SELECT e::text FROM pg_catalog.pg_enum e",
    "SELECT n::text FROM pg_catalog.pg_namespace n WHERE nspname !~ '^pg_(toast_)?temp_'",
    "SELECT e::text FROM pg_catalog.pg_extension e",
    "SELECT e::text FROM pg_catalog.pg_event_trigger e",
    "SELECT d::text FROM pg_catalog.pg_description d",
    "SELECT d::text FROM pg_catalog.pg_default_acl d",
    "SELECT p::text FROM pg_catalog.pg_publication p",
    f"SELECT i::text FROM pg_catalog.pg_inherits i WHERE inhrelid IN {_LASTING}",
)
OBJECTS = (
    f"""SELECT pg_catalog.concat_ws('|', n.nspname, c.relname, c.relkind, pg_catalog.pg_get_userbyid(c.relowner),
           c.relrowsecurity, c.relforcerowsecurity, c.relispartition, c.relpersistence) {_FROM} WHERE {_OWN}""",
    f"""SELECT pg_catalog.concat_ws('|', n.nspname, c.relname, a.attname, pg_catalog.format_type(a.atttypid, a.atttypmod),
           a.attnotnull, a.attidentity, a.attgenerated, a.atthasdef)
          {_FROM} JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid
         WHERE a.attnum > 0 AND NOT a.attisdropped AND c.relkind <> 'i' AND c.relkind <> 'I' AND {_OWN}""",
    f"""SELECT pg_catalog.concat_ws('|', n.nspname, c.relname, k.conname, k.contype, k.convalidated)
          {_FROM} JOIN pg_catalog.pg_constraint k ON k.conrelid = c.oid WHERE {_OWN}""",
    f"""SELECT pg_catalog.concat_ws('|', n.nspname, c.relname, t.tgname, t.tgenabled)
          {_FROM} JOIN pg_catalog.pg_trigger t ON t.tgrelid = c.oid WHERE NOT t.tgisinternal AND {_OWN}""",
    f"""SELECT pg_catalog.concat_ws('|', n.nspname, c.relname, p.polname, p.polcmd)
          {_FROM} JOIN pg_catalog.pg_policy p ON p.polrelid = c.oid WHERE {_OWN}""",
    f"""SELECT pg_catalog.concat_ws('|', n.nspname, p.proname, pg_catalog.pg_get_function_identity_arguments(p.oid),
           pg_catalog.pg_get_userbyid(p.proowner), pg_catalog.md5(p.prosrc), p.prosecdef, p.prokind)
          FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
         WHERE {_ORDINARY} AND NOT {_OF_EXTENSION.format(table="'pg_catalog.pg_proc'", number="p.oid")}""",
    f"""SELECT pg_catalog.concat_ws('|', n.nspname, t.typname, t.typtype, e.enumlabel)
          FROM pg_catalog.pg_type t JOIN pg_catalog.pg_namespace n ON n.oid = t.typnamespace
          LEFT JOIN pg_catalog.pg_enum e ON e.enumtypid = t.oid
         WHERE t.typrelid = 0 AND t.typelem = 0 AND {_ORDINARY}
           AND NOT {_OF_EXTENSION.format(table="'pg_catalog.pg_type'", number="t.oid")}""",
    f"""SELECT pg_catalog.concat_ws('|', n.nspname, pg_catalog.pg_get_userbyid(n.nspowner))
          FROM pg_catalog.pg_namespace n WHERE {_ORDINARY}""",
    "SELECT extname FROM pg_catalog.pg_extension",
    "SELECT pg_catalog.concat_ws('|', evtname, evtevent, evtenabled) FROM pg_catalog.pg_event_trigger",
    "SELECT pubname FROM pg_catalog.pg_publication",
)
