"""What holds for every test."""

import signal

from hypothesis import HealthCheck, settings

# Under nohup or behind a shell these are ignored, and so they are in children that a test wants to stop with them.
for number in (signal.SIGHUP, signal.SIGINT):
    if signal.getsignal(number) is signal.SIG_IGN:
        signal.signal(number, signal.SIG_DFL)

# A busy machine is slow: a time limit would test the machine, not the code.
settings.register_profile("ours", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("ours")
