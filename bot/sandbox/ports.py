"""A port for a program of the sandbox."""

import socket

from bot.sandbox.slack.server import LOOPBACK


def free_port() -> int:
    """A port of the loopback that nobody listens on right now."""
    with socket.socket() as one:
        one.bind((LOOPBACK, 0))
        return int(one.getsockname()[1])
