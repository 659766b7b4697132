"""Attachments in the file: a folder or a bucket, one spelling each, and no secret in the clear."""

from pathlib import Path

import pytest

from bot.config.load import load, variables
from bot.config.problems import ConfigInvalid
from bot.settings import STORE_VARIABLES
from tests.unit.config.test_config_load import GOOD

B = "object: {bucket: docs}"
CASES = [
    ("neither folder nor bucket", ["{column: a.b}"], "config.file-or-object"),
    ("both", [f"{{column: a.b, file: /x/y, {B}}}"], "config.file-or-object"),
    ("an address for a bucket", ["{column: a.b, object: {bucket: 's3://docs'}}"], "config.bucket"),
    ("a path for a bucket", ["{column: a.b, object: {bucket: a/b}}"], "config.bucket"),
    ("a prefix with a slash in front", ["{column: a.b, object: {bucket: docs, prefix: /a}}"], "config.object-prefix"),
    ("a prefix that steps back", ["{column: a.b, object: {bucket: docs, prefix: a/../b}}"], "config.object-prefix"),
    ("a region in words", ["{column: a.b, object: {bucket: docs, region: 'Frankfurt am Main'}}"], "config.region"),
    ("an endpoint with a password", ["{column: a.b, object: {bucket: docs, endpoint: 'http://u:p@x'}}"], "config.endpoint"),
    ("a key without a secret", ["{column: a.b, object: {bucket: docs, key_id: '${K}'}}"], "config.half-credential"),
    ("a secret in the clear", ["{column: a.b, object: {bucket: docs, key_id: '${K}', secret: abc}}"], "config.credential-in-file"),
    ("a secret half in the clear", ["{column: a.b, object: {bucket: docs, key_id: '${K}', secret: 'a${K}'}}"], "config.credential-in-file"),
    ("a variable for a bucket", ["{column: a.b, object: {bucket: '${K}'}}"], "config.variable-place"),
    ("a prefix inside another", [f"{{column: a.b, {B}}}", "{column: a.c, object: {bucket: docs, prefix: a}}"], "config.attachment-nested"),
    ("two endpoints under one name", [f"{{column: a.b, {B}}}", "{column: a.c, object: {bucket: docs, endpoint: 'http://x'}}"], "config.attachment-twice"),
    ("a slip in a bucket", ["{column: a.b, object: {buckets: docs}}"], "config.unknown-key-meant"),
]  # fmt: skip


def written(folder: Path, *attachments: str) -> Path:
    path = folder / "countersign.yml"
    lines = "".join(f"\n      - {one}" for one in attachments)
    path.write_text(GOOD.replace("    environment: production", f"    attachments:{lines}"), encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("attachments", "key"), [case[1:] for case in CASES], ids=[case[0] for case in CASES]
)
def test_what_is_wrong_is_said(tmp_path: Path, attachments: list[str], key: str) -> None:
    with pytest.raises(ConfigInvalid) as caught:
        load(written(tmp_path, *attachments), {"K": "v"})
    assert key in {problem.key for problem in caught.value.problems}
    assert all("abc" not in problem.sentence() for problem in caught.value.problems)


def test_two_columns_may_lead_into_one_bucket_and_two_prefixes_stand_apart(tmp_path: Path) -> None:
    one = "object: {bucket: docs, prefix: a/, key_id: '${K}', secret: '${S}'}"
    more = [
        f"{{column: a.b, {one}}}",
        f"{{column: a.c, {one}}}",
        "{column: a.d, object: {bucket: docs, prefix: b/}}",
    ]
    path = written(tmp_path, *more)
    first, _, last = load(path, {"K": "id", "S": "hidden"}).targets["crm"].attachments
    assert (first.root, last.root) == ("s3://docs/a/", "s3://docs/b/")
    assert first.object is not None
    assert (first.object.key_id, first.object.secret) == ("id", "hidden")
    assert "hidden" not in repr(first)
    unresolved = load(path, None).targets["crm"].attachments[0].object
    assert unresolved is not None
    assert unresolved.secret == "${S}"


def test_only_a_bucket_without_keys_lets_the_worker_have_what_the_machine_knows(tmp_path: Path) -> None:
    assert variables(written(tmp_path, f"{{column: a.b, {B}}}")) == {*STORE_VARIABLES}
    keys = "{column: a.b, object: {bucket: docs, key_id: '${K}', secret: '${S}'}}"
    assert variables(written(tmp_path, keys)) == {"K", "S"}
    assert variables(written(tmp_path, "{column: a.b, file: /x/y}")) == set()
