"""Run one program, and write to a file what it took: CPU seconds, seconds on the clock, kilobytes of its greatest process.

``python -I -S launch.py FILE PROGRAM ARGUMENTS``. On Linux a program inherits the greatest resident size of the process
that it was started from, be that forked or spawned; so a process that is as small as one of Python can be starts it.
Processes that it leaves behind come to this one, which waits for them and counts them, too: workers of dask among them.
"""

import ctypes
import os
import resource
import sys
from contextlib import suppress
from time import perf_counter

_PR_SET_CHILD_SUBREAPER = 36

ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1)
began_s = perf_counter()
pid = os.posix_spawnp(sys.argv[2], sys.argv[2:], os.environ)
_, status = os.waitpid(pid, 0)
wall_s = perf_counter() - began_s
with suppress(ChildProcessError):
    while True:
        os.wait()
usage = resource.getrusage(resource.RUSAGE_CHILDREN)
with open(sys.argv[1], "w", encoding="ascii") as file:  # noqa: PTH123 - pathlib is as large as all else here
    file.write(f"{usage.ru_utime + usage.ru_stime} {wall_s} {usage.ru_maxrss}")
sys.exit(min(abs(os.waitstatus_to_exitcode(status)), 255))
