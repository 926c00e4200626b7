"""For all tests."""

import signal

# A shell without job control starts background commands with Ctrl-C ignored, and their children inherit that: the tests
# that send it would wait for ever.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
