"""The environment, read once and named. No other file reads it."""

import os
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from bot.errors import BadInput

#: What any child process needs to find its libraries and speak its language.
PLAIN_VARIABLES = (
    "PATH",
    "HOME",
    "LANG",
    "LC_ALL",
    "TZ",
    "TMPDIR",
    "PYTHONPATH",
    "VIRTUAL_ENV",
    "SSL_CERT_FILE",
)
SHARED_VARIABLES = (
    "COUNTERSIGN_CONFIG",
    "COUNTERSIGN_DATABASE_URL",
    "COUNTERSIGN_DATA_DIR",
    "COUNTERSIGN_TICK",
)
BOT_VARIABLES = (
    "SLACK_BOT_TOKEN",
    "SLACK_APP_TOKEN",
    "SLACK_SIGNING_SECRET",
    "SLACK_API_URL",
    "COUNTERSIGN_HTTP",
    "COUNTERSIGN_METRICS",
)
#: Where a program looks that works with Amazon S3; only a worker with a bucket and no keys of its own does.
STORE_VARIABLES = (
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AWS_PROFILE",
    "AWS_CONFIG_FILE",
    "AWS_SHARED_CREDENTIALS_FILE",
    "AWS_REGION",
    "AWS_DEFAULT_REGION",
    "AWS_CA_BUNDLE",
    "AWS_ROLE_ARN",
    "AWS_ROLE_SESSION_NAME",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_CONTAINER_AUTHORIZATION_TOKEN",
    "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
    "AWS_EC2_METADATA_DISABLED",
)
WORKER_VARIABLES = ("COUNTERSIGN_MASTER_KEY_FILE", "COUNTERSIGN_HOST")


@dataclass(frozen=True)
class Settings:
    """What the environment says. Paths are absolute."""

    config_file: Path
    data_dir: Path
    database_url: str
    master_key_file: Path
    http_host: str
    http_port: int
    slack_api_url: str
    slack_bot_token: str | None
    slack_app_token: str | None
    slack_signing_secret: str | None
    variables: Mapping[str, str]
    host: str = ""

    @property
    def is_http_mode(self) -> bool:
        """Whether Slack delivers by HTTP instead of through sockets that the bot opens."""
        return self.slack_app_token is None and self.slack_signing_secret is not None

    @property
    def worker_dir(self) -> Path:
        """The folder of the worker's secrets, mode 0700."""
        return self.master_key_file.parent if self.master_key_in_data_dir else self.data_dir / "worker"

    @property
    def master_key_in_data_dir(self) -> bool:
        """Whether the master key lies where a first run would put it."""
        return self.master_key_file == self.data_dir / "worker" / "master.key"


def read_environment(environ: Mapping[str, str] | None = None) -> Settings:
    """Settings from the environment, with the defaults of the documentation.

    Raises:
        BadInput: COUNTERSIGN_HTTP is not ``host:port``.
    """
    env = dict(os.environ) if environ is None else dict(environ)
    data_dir = Path(env.get("COUNTERSIGN_DATA_DIR") or "./var").absolute()
    host, port = _address(env.get("COUNTERSIGN_HTTP") or "127.0.0.1:8000", "COUNTERSIGN_HTTP")
    return Settings(
        config_file=Path(env.get("COUNTERSIGN_CONFIG") or "countersign.yml").absolute(),
        data_dir=data_dir,
        database_url=env.get("COUNTERSIGN_DATABASE_URL") or f"sqlite:///{data_dir / 'countersign.db'}",
        master_key_file=Path(
            env.get("COUNTERSIGN_MASTER_KEY_FILE") or data_dir / "worker" / "master.key"
        ).absolute(),
        http_host=host,
        http_port=port,
        slack_api_url=env.get("SLACK_API_URL") or "https://slack.com/api/",
        slack_bot_token=env.get("SLACK_BOT_TOKEN") or None,
        slack_app_token=env.get("SLACK_APP_TOKEN") or None,
        slack_signing_secret=env.get("SLACK_SIGNING_SECRET") or None,
        variables=env,
        host=env.get("COUNTERSIGN_HOST") or socket.gethostname(),
    )


def environment_for(part: str, settings: Settings, config_variables: frozenset[str]) -> dict[str, str]:
    """What a child process may see: the bot no target secret and no master key, the worker no Slack token.

    Args:
        part: ``bot`` or ``worker``.
        settings: the parent's own settings.
        config_variables: the names that ``${…}`` in the configuration mentions, for the worker.
    """
    allowed = set(PLAIN_VARIABLES) | set(SHARED_VARIABLES)
    if part == "bot":
        allowed |= set(BOT_VARIABLES)
    else:
        allowed |= set(WORKER_VARIABLES) | (config_variables - set(BOT_VARIABLES))
    kept = {name: value for name, value in settings.variables.items() if name in allowed}
    # Slack's library asks for a home folder when it is loaded, and a user known only by number has none.
    return {"HOME": str(settings.data_dir), **kept}


def _address(text: str, name: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    if not host or not port.isdigit() or not 0 <= int(port) < 65536:
        raise BadInput("settings.address", name=name, value=text)
    return host.strip("[]"), int(port)
