"""A process that keeps its memory to itself: no core dump, and no debugger of the same user."""

import ctypes
import os
import resource

_PR_SET_DUMPABLE = 4  # prctl(2)


def keep_memory_private() -> None:
    """Have this process dump no core, and be read and traced by nobody but root.

    The limit alone would not do: a core that is piped into a program (core(5)) has none. Nor
    would it keep other processes of the same user from /proc/PID/mem and ptrace(2). What is
    started from here by execve(2) has neither but the limit, which it may raise again.

    Raises:
        OSError: the kernel refuses, which it never does.
    """
    _, most = resource.getrlimit(resource.RLIMIT_CORE)
    resource.setrlimit(resource.RLIMIT_CORE, (0, most))
    if ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0):
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
