"""Has the C library keep what a step frees for the next one: a tenth of a step on CPUs is fresh memory otherwise."""

import os
import platform
import sys

VARIABLE = "GLIBC_TUNABLES"
# large pages, and nothing given back below 4 GB at once or 30 GB in all
TUNABLES = "glibc.malloc.hugetlb=1:glibc.malloc.mmap_threshold=4294967296:glibc.malloc.trim_threshold=30000000000"


def keep_freed_memory() -> None:
    """Start this very process anew with TUNABLES, which glibc reads at start alone; returns where they are set already,
    by whoever started it too, or where there is no glibc."""
    if platform.libc_ver()[0] == "glibc" and VARIABLE not in os.environ:
        os.execve(sys.executable, sys.orig_argv, os.environ | {VARIABLE: TUNABLES})
