"""The bot half: the Slack door and the health page, until a signal."""

import signal
import time

from bot import compose
from bot.cli.behind import settings as read_settings
from bot.cli.console import DONE, tell
from bot.cli.health import HealthServer
from bot.errors import BadInput
from bot.settings import Settings
from handlers.running import Door

_STOP_SIGNALS = {signal.SIGTERM, signal.SIGINT}
_DATABASE_WITHIN = 60.0
