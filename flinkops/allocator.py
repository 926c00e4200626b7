"""How long-running commands keep their memory: what was needed once is given back to the system."""

import ctypes

# From glibc's malloc.h.
_TRIM_THRESHOLD, _MMAP_THRESHOLD, _ARENA_MAX = -1, -3, -8
_LARGE_BYTES = 256 * 1024
_SPARE_BYTES = 1024 * 1024
_ARENAS = 2


def give_back_memory() -> None:
    """Large buffers are mapped and unmapped by themselves, and threads share their arenas.

    By default glibc has up to eight arenas a core, and after one large answer it no longer maps large buffers but takes
    them from there and keeps them: with sources that answer hugely now and then the exporter grew by 30 MiB a thread.
    Does nothing where the C library has no such options.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):  # musl, macOS
        return
    for option, value in ((_MMAP_THRESHOLD, _LARGE_BYTES), (_TRIM_THRESHOLD, _SPARE_BYTES), (_ARENA_MAX, _ARENAS)):
        mallopt(option, value)
