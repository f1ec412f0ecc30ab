"""The commands: ``pg-tasks …``, and ``node.py``, which is ``pg-tasks node``.

Exit codes: 0 done; 1 it went wrong, or ``doctor`` found a problem; 2 the arguments or the settings
are wrong; 3 ``db status`` of a server that does not run; of a node what ``Node.run`` returns.
"""

import argparse
import os
import shlex
import shutil
import sys
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import psycopg2

from pg_tasks import __version__, log
from pg_tasks.console import arguments
from pg_tasks.console.doctor import examine, is_serious, tell
from pg_tasks.console.graph import PAPER, describe, draw, find_dot, is_coloured, to_svg
from pg_tasks.console.target import connect, find_target, one_line, ready_target
from pg_tasks.console.terminal import Terminal, is_terminal
from pg_tasks.console.top import Source, print_once, watch
from pg_tasks.dsn import psql_call, safe_dsn
from pg_tasks.errors import PgTasksError, SettingsError
from pg_tasks.install.embedded import EmbeddedServer, default_server
from pg_tasks.install.migration import migrate
from pg_tasks.setting_kinds import INT8_MAX, Range, parse_integer, parse_seconds
from pg_tasks.settings import Settings, load

NOT_RUNNING = 3
"""As pg_ctl status."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; its exit code. What goes wrong is one line on stderr."""
    words = sys.argv[1:] if argv is None else argv
    return _guarded(lambda: _run(arguments.parse(words, "pg-tasks")))


def node_main(argv: Sequence[str] | None = None) -> int:
    """``node.py``: the same as ``main`` with the command node."""
    words = sys.argv[1:] if argv is None else argv
    return _guarded(lambda: _run(arguments.parse_node(words, "node.py")))


def _guarded(command: Callable[[], int]) -> int:
    try:
        return command()
    except SettingsError as error:
        return _failed(str(error), 2)
    except PgTasksError as error:
        return _failed(str(error), 1)
    except psycopg2.Error as error:
        return _failed(one_line(error), 1)
    except BrokenPipeError:
        # Whoever read the output has gone; Python would complain once more when it flushes at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except KeyboardInterrupt:
        return 130


def _failed(text: str, code: int) -> int:
    line = " ".join(text.split())
    sys.stderr.write(f"pg-tasks: {line}\n")
    return code


def _run(words: argparse.Namespace) -> int:
    commands = {
        "node": _node,
        "migrate": _migrate,
        "psql": _psql,
        "top": _top,
        "doctor": _doctor,
        "graph": _graph,
        "db": _db,
        "version": _version,
    }
    if words.command not in commands:
        raise SettingsError("which command?", hint="see pg-tasks --help")
    return commands[words.command](words)


def _node(words: argparse.Namespace) -> int:
    settings = _settings(words)
    log.set_up(settings.log_level)
    from pg_tasks.node import Node

    target = ready_target(settings, os.environ)
    if target.server is not None:
        _greet(target.server, settings)
    return Node(target.settle(settings)).run()


def _migrate(words: argparse.Namespace) -> int:
    settings = _settings(words)
    log.set_up("debug" if words.verbose else "warning")
    target = find_target(settings, os.environ)
    # JDBC, which Liquibase speaks, needs TCP.
    done = migrate(target.server.tcp_dsn if target.server else target.dsn)
    for name in done.applied:
        _say(f"applied {name}")
    _say(f"the schema of {safe_dsn(target.dsn)} is up to date")
    return 0


def _psql(words: argparse.Namespace) -> int:
    settings = _settings(words)
    target = ready_target(settings, os.environ)
    if target.server is not None:
        program: Path | str = target.server.psql
    else:
        program = shutil.which("psql") or default_server(settings.data_dir).psql
    call = psql_call(target.dsn, os.environ)
    sys.stdout.flush()
    os.execve(program, [str(program), *call.arguments, *words.psql_arguments], call.environment)


def _top(words: argparse.Namespace) -> int:
    settings = _settings(words)
    try:
        interval = parse_seconds(Range(0.1, 3600), words.interval)
    except ValueError as error:
        raise SettingsError(f"--interval {error}") from None
    target = ready_target(settings, os.environ)
    source = Source(lambda: connect(target.dsn, settings, "pg_tasks top"))
    name = safe_dsn(target.dsn)
    try:
        if words.once or not is_terminal(sys.stdin, sys.stdout, os.environ.get("TERM", "")):
            print_once(source, name, sys.stdout)
        else:
            watch(source, name, interval, Terminal(sys.stdin, sys.stdout))
    finally:
        source.close()
    return 0


def _doctor(words: argparse.Namespace) -> int:
    settings = _settings(words)
    target = ready_target(settings, os.environ)
    with closing(connect(target.dsn, settings, "pg_tasks doctor")) as connection:
        findings = examine(connection)
    width = shutil.get_terminal_size((PAPER, 0)).columns
    tell(findings, sys.stdout, width, colour=is_coloured(sys.stdout, os.environ))
    return int(is_serious(findings))


def _graph(words: argparse.Namespace) -> int:
    settings = _settings(words)
    try:
        run_id = parse_integer(Range(0, INT8_MAX), words.run)
    except ValueError as error:
        raise SettingsError(f"run {error}") from None
    dot = find_dot() if words.format == "svg" else None
    target = ready_target(settings, os.environ)
    with closing(connect(target.dsn, settings, "pg_tasks graph")) as connection:
        if words.format == "text":
            colour = is_coloured(sys.stdout, os.environ)
            width = shutil.get_terminal_size((PAPER, 0)).columns
            draw(connection, run_id, sys.stdout, width, colour=colour)
            return 0
        text = describe(connection, run_id, "mermaid" if words.format == "mermaid" else "dot")
    # Programs read this, to whom the encoding of a terminal means nothing.
    sys.stdout.buffer.write(to_svg(dot, text) if dot else f"{text}\n".encode())
    sys.stdout.flush()
    return 0


def _db(words: argparse.Namespace) -> int:
    settings = _settings(words)
    server = default_server(settings.data_dir)
    match words.action:
        case "start":
            ready_target(replace(settings, dsn=None), {})
            _greet(server, settings)
        case "stop":
            server.stop()
        case "status" if not server.is_running():
            _say(f"not running, data in {server.data_dir}")
            return NOT_RUNNING
        case "status":
            _say(f"running, data in {server.data_dir}: {server.dsn}")
    return 0


def _version(_words: argparse.Namespace) -> int:
    _say(f"pg_tasks {__version__}")
    return 0


def _settings(words: argparse.Namespace) -> Settings:
    return load(
        arguments.overrides(words), os.environ, Path(words.config) if words.config else None
    )


def _greet(server: EmbeddedServer, settings: Settings) -> None:
    """Say how to get at the embedded server, in words that can be pasted into a shell."""
    place = f" --data-dir {shlex.quote(str(settings.data_dir))}" if settings.data_dir else ""
    _say(f"embedded PostgreSQL, data in {server.data_dir}")
    _say(f"  connect:  pg-tasks psql{place}")
    _say(f"       or:  {server.psql} {shlex.quote(server.dsn)}")
    _say(f"  stop it:  pg-tasks db stop{place}")


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()
