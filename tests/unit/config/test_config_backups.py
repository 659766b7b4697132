"""What ``backups`` may say of a bucket, and that nobody's keys stand there."""

from datetime import timedelta
from pathlib import Path

import pytest

from bot.config.load import load, variables
from bot.config.problems import ConfigInvalid
from bot.settings import STORE_VARIABLES
from tests.unit.config.test_config_load import GOOD

S3 = 'store: "s3://acme-backups/a/b"'


def written(folder: Path, backups: str) -> Path:
    file = folder / "countersign.yml"
    file.write_text(GOOD + f"backups: {{{backups}}}\n")
    return file


def test_a_bucket_and_what_it_needs(tmp_path: Path) -> None:
    more = 'endpoint: "https://minio.example.com:9000", region: eu-central-1, lock: compliance, keep: 90d'
    backups = load(written(tmp_path, f"{S3}, {more}"), {}).backups
    assert backups.store == "s3://acme-backups/a/b"
    assert backups.folder is None
    assert backups.bucket == (
        "https://minio.example.com:9000",
        "eu-central-1",
        "compliance",
        timedelta(days=90),
    )


def test_a_bucket_lets_the_worker_have_what_the_machine_knows(tmp_path: Path) -> None:
    assert variables(written(tmp_path, S3)) == {*STORE_VARIABLES}
    assert variables(written(tmp_path, 'store: "${STORE}"')) == {"STORE", *STORE_VARIABLES}
    assert variables(written(tmp_path, 'store: "file:./backups"')) == set()


def test_a_bucket_may_be_named_by_a_variable(tmp_path: Path) -> None:
    file = written(tmp_path, 'store: "${STORE}", region: eu-central-1')
    assert load(file, None).backups.store == "${STORE}"
    assert load(file, {"STORE": "s3://acme-backups"}).backups.store == "s3://acme-backups"
    with pytest.raises(ConfigInvalid) as caught:
        load(file, {"STORE": "file:./kept"})
    assert [one.key for one in caught.value.problems] == ["config.store-bucket-only"]


WRONG = {
    'store: "s3://key:hush@acme-backups/a"': "config.store-credentials",
    'store: "s3:"': "config.store",
    'store: "s3://"': "config.store",
    'store: "s3://x"': "config.store",
    'store: "s3://acme-backups/a?secret=hush"': "config.store",
    'store: "s3://acme-backups//a"': "config.store",
    'store: "s3://acme-backups/../a"': "config.store",
    'store: "S3://acme-backups"': "config.store",
    'store: "file:./kept", lock: governance': "config.store-bucket-only",
    "region: eu-central-1": "config.store-bucket-only",
    f"{S3}, lock: forever": "config.wrong",
    f"{S3}, key_id: hush": "config.unknown-key",
}


@pytest.mark.parametrize("backups", WRONG)
def test_what_is_wrong_is_said_without_a_secret(tmp_path: Path, backups: str) -> None:
    with pytest.raises(ConfigInvalid) as caught:
        load(written(tmp_path, backups), {})
    assert [one.key for one in caught.value.problems] == [WRONG[backups]]
    assert all("hush" not in one.sentence() for one in caught.value.problems)
