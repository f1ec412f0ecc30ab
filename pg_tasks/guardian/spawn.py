"""The one module that starts processes."""

import os
import resource
import signal
from collections.abc import Mapping
from typing import NamedTuple

from pg_tasks.guardian.refusal import explain_command, explain_directory, explain_system
from pg_tasks.guardian.tree import COOKIE
from pg_tasks.messages import Start

_COOKIE_NAME = COOKIE[:-1]


class CannotStart(Exception):
    """One line for people: what could not be started, and why."""


class Spawned(NamedTuple):
    pid: int
    output: int
    """The reading end of the pipe that is its stdout and stderr; non-blocking."""


class Spawner:
    """Starts each process as leader of a session of its own, with the signals' defaults.

    Only descriptors 0, 1 and 2 reach it: everything else of the guardian is close-on-exec.
    """

    def __init__(self, root: str, environment: Mapping[bytes, bytes]) -> None:
        """``root``: where a relative ``cwd`` starts; ``environment``: what a row's ``env`` goes on.

        Raises the soft limit of open files to the hard one, for the pipes of many processes.
        """
        self._root = root.encode()
        self._environment = dict(environment)
        self._null = os.open("/dev/null", os.O_RDWR | os.O_CLOEXEC)
        # All, not only those that are ignored here: of each that is not named glibc asks first, two
        # system calls instead of one, and the guardian waits for the child to have made them.
        self._signals = signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}
        given, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        self._given_files = (given, hard)
        self._more_files = (hard, hard)
        self._raised = given != hard
        if self._raised:
            resource.setrlimit(resource.RLIMIT_NOFILE, self._more_files)
        self._low_stdin = os.dup(self._null)
        self._low_output = os.dup(self._null)

    def spawn(self, start: Start, result_path: str) -> Spawned:
        """Raises CannotStart; nothing is left of the try then."""
        environment = self._environment.copy()
        try:
            argv = [argument.encode() for argument in start.argv]
            for name, value in start.env.items():
                environment[name.encode()] = value.encode()
        except UnicodeEncodeError:
            raise CannotStart("the command or its environment is not valid text") from None
        # Set last: no row may pass its process off as another attempt's.
        environment[b"PG_TASKS_TASK_ID"] = b"%d" % start.task_id
        environment[b"PG_TASKS_ATTEMPT"] = b"%d" % start.attempt
        environment[_COOKIE_NAME] = result_path.encode()
        self._enter(start.cwd)
        path = _find(argv, environment)
        opened: list[int] = []
        try:
            output, output_end = os.pipe2(os.O_CLOEXEC)
            opened += (output, output_end)
            os.set_blocking(output, False)
            stdin = self._null
            if start.stdin is not None:
                stdin = _text_file(start.stdin)
                opened.append(stdin)
        except OSError as error:
            _close(opened)
            raise CannotStart(explain_system(error)) from None
        try:
            pid = self._spawn(path, argv, environment, stdin, output_end)
        except (OSError, ValueError) as error:
            _close(opened)
            raise CannotStart(explain_command(error, path)) from None
        _close(opened[1:])
        return Spawned(pid, output)

    def _spawn(
        self,
        path: bytes,
        argv: list[bytes],
        environment: dict[bytes, bytes],
        stdin: int,
        output_end: int,
    ) -> int:
        # posix_spawn has no way to set a limit of the child, which inherits the guardian's: so the
        # limit is the original one for as long as it takes. Two system calls, about 1 µs each.
        # glibc refuses file actions on descriptors above the limit of the moment (spawn.h): what is
        # above it is given under a low number.
        if self._raised:
            stdin = self._lowered(stdin, self._low_stdin)
            output_end = self._lowered(output_end, self._low_output)
            resource.setrlimit(resource.RLIMIT_NOFILE, self._given_files)
        try:
            return os.posix_spawn(
                path,
                argv,
                environment,
                file_actions=(
                    (os.POSIX_SPAWN_DUP2, stdin, 0),
                    (os.POSIX_SPAWN_DUP2, output_end, 1),
                    (os.POSIX_SPAWN_DUP2, output_end, 2),
                ),
                setsid=True,
                setsigmask=(),
                setsigdef=self._signals,
            )
        finally:
            if self._raised:
                resource.setrlimit(resource.RLIMIT_NOFILE, self._more_files)
                # Or the output would not be seen to end.
                if output_end == self._low_output:
                    os.dup2(self._null, self._low_output, inheritable=False)

    def _lowered(self, descriptor: int, low: int) -> int:
        if descriptor < self._given_files[0]:
            return descriptor
        return os.dup2(descriptor, low, inheritable=False)

    def _enter(self, cwd: str | None) -> None:
        """The child inherits the directory, and the next one would too: so each sets its own."""
        try:
            os.chdir(self._root)
            if cwd is not None:
                os.chdir(cwd.encode())
        except (OSError, ValueError) as error:
            directory = self._root.decode() if cwd is None else cwd
            raise CannotStart(explain_directory(error, directory)) from None


def _find(argv: list[bytes], environment: Mapping[bytes, bytes]) -> bytes:
    """The file to execute, by the PATH that the process itself will see (execvp(3))."""
    if not argv or not argv[0]:
        raise CannotStart("the command is empty")
    name = argv[0]
    if b"/" in name:
        return name
    refused: bytes | None = None
    for directory in environment.get(b"PATH", os.defpath.encode()).split(b":"):
        path = directory + b"/" + name if directory else b"./" + name
        if b"\0" in path:
            break
        if os.access(path, os.X_OK) and not os.path.isdir(path):
            return path
        if refused is None and os.access(path, os.F_OK) and not os.path.isdir(path):
            refused = path
    if refused is not None:
        raise CannotStart(f"not executable: {refused.decode(errors='replace')}")
    raise CannotStart(f"command not found: {name.decode(errors='replace')}")


def _text_file(text: str) -> int:
    """A file in memory: the process can read it at its own pace and finds its end."""
    fd = os.memfd_create("stdin", os.MFD_CLOEXEC)
    try:
        data = memoryview(text.encode(errors="replace"))
        while data:
            data = data[os.write(fd, data) :]
        os.lseek(fd, 0, os.SEEK_SET)
    except OSError:
        os.close(fd)
        raise
    return fd


def _close(fds: list[int]) -> None:
    for fd in fds:
        os.close(fd)
