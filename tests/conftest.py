"""For all tests."""

import signal

from hypothesis import settings

# A shell without job control starts background commands with Ctrl-C ignored, and nohup a hang-up; their children
# inherit that: the tests that send these would wait for ever.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
    signal.signal(signal.SIGHUP, signal.SIG_DFL)

# A busy machine makes any example slow. The quick part tries few of them; `./dev test` then many, with pandas 3.
settings.register_profile("quick", deadline=None, max_examples=40)
settings.register_profile("thorough", deadline=None, max_examples=150)
settings.load_profile("quick")
