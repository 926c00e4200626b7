"""For all tests."""

import gc
import os
import signal

from hypothesis import settings

from tests.effort import QUICK_EXAMPLES, THOROUGH_EXAMPLES

# A shell without job control starts background commands with Ctrl-C ignored, and nohup a hang-up; their children
# inherit that: the tests that send these would wait for ever.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
    signal.signal(signal.SIGHUP, signal.SIG_DFL)

# Nobody's log-in of this machine, nor its cloud's, is used: a test that has an S3 server says so itself.
for name in [name for name in os.environ if name.startswith("AWS_")]:
    del os.environ[name]
os.environ |= {
    "AWS_EC2_METADATA_DISABLED": "true",
    "AWS_CONFIG_FILE": os.devnull,
    "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
}

# A busy machine makes any example slow. The quick part tries few of them; the thorough one then many.
settings.register_profile("quick", deadline=None, max_examples=QUICK_EXAMPLES)
settings.register_profile("thorough", deadline=None, max_examples=THOROUGH_EXAMPLES)
settings.load_profile("quick")

# Thousands of collected tests: the collector of cycles would go over them again and again, for a third of the time.
gc.set_threshold(100_000, 50, 1_000)


def pytest_collection_finish() -> None:
    """What has been collected stays to the end."""
    gc.freeze()
