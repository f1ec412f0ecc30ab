"""What Linux offers and Python's standard library has no call for: prctl, signalfd, timerfd."""

import ctypes
import os
import signal
import time

_PR_SET_CHILD_SUBREAPER = 36
_CLOCK_BOOTTIME = 7
_TFD_TIMER_ABSTIME = 1
_EARLIEST = 1e-9
_SIGSET_SIZE = 128
"""Bytes of sigset_t: 1024 signals in glibc and musl."""


def boottime() -> float:
    """Seconds since the machine started, suspended time included (clock_gettime(2))."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def become_subreaper() -> None:
    """Make this process the parent of every descendant whose own parent ends (prctl(2)).

    Raises OSError where the kernel refuses. The setting is not inherited by children.
    """
    if _libc().prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
        raise _last_error("prctl")


def signal_descriptor(signum: int) -> int:
    """A descriptor that is readable while ``signum`` is pending; the signal itself is blocked.

    Cheaper than a handler with a wake-up descriptor: signals that come while one is pending are
    one, and no system call is interrupted (signalfd(2)). It stays blocked over execve(2).
    """
    libc = _libc()
    mask = ctypes.create_string_buffer(_SIGSET_SIZE)
    libc.sigemptyset(mask)
    libc.sigaddset(mask, signum)
    signal.pthread_sigmask(signal.SIG_BLOCK, (signum,))
    fd: int = libc.signalfd(-1, mask, os.O_NONBLOCK | os.O_CLOEXEC)
    if fd < 0:
        raise _last_error("signalfd")
    return fd


class BoottimeAlarm:
    """A descriptor that becomes readable at an instant of CLOCK_BOOTTIME.

    The timeout of epoll_wait(2) stands still while the machine is suspended; this does not, so that
    a deadline that passed meanwhile is seen on waking up.
    """

    def __init__(self) -> None:
        self._libc = _libc()
        self._fd: int = self._libc.timerfd_create(_CLOCK_BOOTTIME, os.O_NONBLOCK | os.O_CLOEXEC)
        if self._fd < 0:
            raise _last_error("timerfd_create")

    def fileno(self) -> int:
        return self._fd

    def set(self, when: float) -> None:
        """Readable from ``when`` on, in seconds of CLOCK_BOOTTIME, until it is set again."""
        seconds, fraction = divmod(max(when, _EARLIEST), 1)
        value = _ITimerSpec(0, 0, int(seconds), int(fraction * 1e9) or 1)
        if self._libc.timerfd_settime(self._fd, _TFD_TIMER_ABSTIME, ctypes.byref(value), None) != 0:
            raise _last_error("timerfd_settime")

    def clear(self) -> None:
        """No longer readable, until it is set again."""
        value = _ITimerSpec(0, 0, 0, 0)
        if self._libc.timerfd_settime(self._fd, 0, ctypes.byref(value), None) != 0:
            raise _last_error("timerfd_settime")


class _ITimerSpec(ctypes.Structure):
    _fields_ = (
        ("interval_seconds", ctypes.c_long),
        ("interval_nanoseconds", ctypes.c_long),
        ("seconds", ctypes.c_long),
        ("nanoseconds", ctypes.c_long),
    )


def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


def _last_error(call: str) -> OSError:
    number = ctypes.get_errno()
    return OSError(number, f"{call}: {os.strerror(number)}")
