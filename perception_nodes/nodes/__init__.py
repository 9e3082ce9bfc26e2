"""Thin rclpy nodes over the ROS-free stages, one file each."""

import ctypes
import os

# Imported before numpy in every node process. With ten processes on a few cores, BLAS threads only get in each
# other's way: a 120 k x 3 product took 60 ms instead of 1 ms.
for _name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_name, "1")

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD, _M_ARENA_MAX = -1, -3, -8


def _keep_memory() -> None:
    """Tell glibc's malloc to keep large freed blocks, and one arena for all threads.

    Otherwise receivers of multi-MB messages fall into a slow mode at random, and a worker thread does not find the
    memory that the dry run has touched: a page fault costs 15 us on a virtual machine, a first sweep takes thousands.
    It has to come before the first thread allocates (glibc fixes the number of arenas then), hence here.
    """
    try:
        libc = ctypes.CDLL("libc.so.6")
    except OSError:
        return  # not glibc: its allocator has no such thresholds
    libc.mallopt(_M_ARENA_MAX, 1)
    libc.mallopt(_M_MMAP_THRESHOLD, 64 << 20)
    libc.mallopt(_M_TRIM_THRESHOLD, 256 << 20)


_keep_memory()
