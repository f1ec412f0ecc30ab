"""Why a process could not be started, in one line that names the command or the directory."""

import errno
import os

_FIRST_LINE = 256

_COMMAND = {
    errno.E2BIG: "the command line and environment are too long for this system: {path}",
    errno.EACCES: "not executable: {path}",
    errno.ENOEXEC: "not executable: {path} is no program of this machine and has no #! line",
    errno.ETXTBSY: "not executable at the moment: {path} is open for writing",
    errno.EISDIR: "not executable: {path} is a directory",
    errno.ENOENT: "command not found: {path}",
    errno.ENOTDIR: "command not found: {path}",
    errno.EAGAIN: "no more processes can be started on this machine: {path}",
    errno.ENOMEM: "no memory to start another process: {path}",
}
_DIRECTORY = {
    errno.ENOENT: "working directory does not exist: {directory}",
    errno.ENOTDIR: "working directory is not a directory: {directory}",
    errno.EACCES: "working directory may not be entered: {directory}",
}


def explain_command(error: OSError | ValueError, path: bytes) -> str:
    """``path``: the file that was to be executed."""
    name = path.decode(errors="replace")
    if not isinstance(error, OSError) or error.errno is None:
        return f"the command or its environment cannot be passed on: {error}: {_printable(name)}"
    if error.errno == errno.ENOENT and os.path.lexists(path):
        return _explain_missing_interpreter(path, name)
    if error.errno == errno.EACCES and os.path.isdir(path):
        return _COMMAND[errno.EISDIR].format(path=name)
    template = _COMMAND.get(error.errno, "{path} cannot be started: {text}")
    return template.format(path=name, text=os.strerror(error.errno))


def explain_directory(error: OSError | ValueError, directory: str) -> str:
    if not isinstance(error, OSError) or error.errno is None:
        return f"working directory is not a path: {_printable(directory)}"
    template = _DIRECTORY.get(
        error.errno, "working directory cannot be entered: {directory}: {text}"
    )
    return template.format(directory=directory, text=os.strerror(error.errno))


def explain_system(error: OSError) -> str:
    """What the guardian itself ran out of."""
    if error.errno in (errno.EMFILE, errno.ENFILE):
        return "too many open files to start another process"
    return f"no process could be started: {error.strerror}"


def _explain_missing_interpreter(path: bytes, name: str) -> str:
    """execve(2) says ENOENT for a file that is there when what has to run it is not."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError:
        return f"command not found: {name} is a link to nothing"
    try:
        first_line = os.read(fd, _FIRST_LINE).split(b"\n")[0]
    except OSError:
        first_line = b""
    finally:
        os.close(fd)
    if not first_line.startswith(b"#!"):
        return f"not executable: {name} needs a loader or library that is not there"
    interpreter = first_line[2:].decode(errors="replace").strip()
    return f"not executable: {name} asks for the interpreter {interpreter!r}, which does not exist"


def _printable(text: str) -> str:
    return text.replace("\0", "\\0")
