"""The command line's words: which commands there are, and which options each takes."""

import argparse
from collections.abc import Sequence
from typing import Any, NoReturn

from pg_tasks.errors import SettingsError
from pg_tasks.setting_kinds import near_miss, written
from pg_tasks.settings import SPECS, default_of, option

POSITIONAL = ("worker_id", "group_id", "max_task_count", "node_name")
"""The arguments of node.py, in order."""

DATABASE = ("dsn", "data_dir", "connect_timeout", "call_timeout")
"""The settings that commands other than node take."""

PSQL = ("config", "dsn", "data_dir")
"""The options that pg-tasks psql takes before those of psql."""

FORMATS = ("text", "mermaid", "dot", "svg")
"""What pg-tasks graph can write."""

_OPTION = "set_"
"""What the destination of an option begins with, so that no positional argument is hidden by it."""
_PRECEDENCE = (
    "Settings come from the configuration file, the environment (PG_TASKS_KILL_GRACE for"
    " --kill-grace) and the command line: the later ones win. Durations are seconds; sizes are"
    " bytes, or take a unit KiB, MiB, GiB. With no database configured, an embedded PostgreSQL is"
    " used."
)


class Parser(argparse.ArgumentParser):
    """Raises SettingsError where argparse prints its usage and exits."""

    def __init__(self, **options: Any) -> None:
        super().__init__(allow_abbrev=False, **options)

    def error(self, message: str) -> NoReturn:
        raise SettingsError(message, hint=f"see {self.prog} --help")


def parse(argv: Sequence[str], prog: str) -> argparse.Namespace:
    """``command`` and its arguments. Raises SettingsError; exits after --help only."""
    parser = _parser(prog)
    words = list(argv)
    own, rest = _split_psql(words) if words[:1] == ["psql"] else (words, [])
    arguments, unknown = parser.parse_known_args(own)
    if unknown:
        _refuse(unknown[0], arguments.command)
    arguments.psql_arguments = rest
    return arguments


def parse_node(argv: Sequence[str], prog: str) -> argparse.Namespace:
    """The same for node.py, which has no word for the command."""
    parser = Parser(prog=prog, description="Run the tasks of one worker.", epilog=_PRECEDENCE)
    _add_arguments(parser)
    _add_settings(parser, list(SPECS))
    arguments, unknown = parser.parse_known_args(list(argv))
    if unknown:
        _refuse(unknown[0], "node")
    arguments.command = "node"
    return arguments


def overrides(arguments: argparse.Namespace) -> dict[str, object]:
    """The settings that were given, by name. Raises SettingsError where one was given twice."""
    given: dict[str, object] = {}
    for name in SPECS:
        values = [getattr(arguments, name, None), getattr(arguments, _OPTION + name, None)]
        there = [value for value in values if value is not None]
        if len(there) == 2:
            raise SettingsError(f"{name} is given twice, as an argument and as {option(name)}")
        if there:
            given[name] = there[0]
    return given


def _parser(prog: str) -> Parser:
    parser = Parser(prog=prog, description="A task runner that is driven by SQL alone.")
    parser.add_argument("--version", action="store_const", const="version", dest="command")
    commands = parser.add_subparsers(dest="command", metavar="<command>", required=False)

    def add(name: str, text: str, settings: Sequence[str]) -> Parser:
        command = commands.add_parser(
            name, help=text, description=text[0].upper() + text[1:] + ".", epilog=_PRECEDENCE
        )
        _add_settings(command, settings)
        return command

    _add_arguments(add("node", "run the tasks of one worker, as node.py does", list(SPECS)))
    migrate = add("migrate", "install the schema, or bring it up to date", DATABASE)
    migrate.add_argument("--verbose", action="store_true", help="show what Liquibase says")
    psql = add("psql", "open psql on the database; what follows is for psql", PSQL[1:])
    psql.usage = f"{prog} psql [--config FILE] [--dsn DSN] [--data-dir DIR] [psql's arguments]"
    top = add("top", "show groups, workers and tasks, live", DATABASE)
    top.add_argument("--interval", default="2", metavar="SECONDS", help="between two looks [2]")
    top.add_argument("--once", action="store_true", help="print one screen and end")
    add("doctor", "say what is wrong, and what to do; ends with 1 if it is serious", DATABASE)
    graph = add("graph", "draw a run of a workflow", DATABASE)
    graph.add_argument("run", metavar="RUN", help="its number: run_id of long_task.workflow_status")
    graph.add_argument(
        "--format", choices=FORMATS, default=FORMATS[0], help=f"svg needs Graphviz [{FORMATS[0]}]"
    )
    database = add("db", "start, stop or look at the embedded PostgreSQL", ("data_dir",))
    database.add_argument(
        "action", choices=["start", "stop", "status"], help="status ends with 3 if it does not run"
    )
    commands.add_parser("version", help="print the version")
    return parser


def _add_arguments(parser: Parser) -> None:
    for name in POSITIONAL:
        parser.add_argument(name, nargs="?", metavar=name, help=_help(name))


def _add_settings(parser: Parser, names: Sequence[str]) -> None:
    parser.add_argument("--config", metavar="FILE", help="read this configuration file")
    for name in names:
        spec = SPECS[name]
        parser.add_argument(
            option(name),
            dest=_OPTION + name,
            metavar=spec.metadata["kind"].name,
            help=argparse.SUPPRESS if name in POSITIONAL else _help(name),
        )


def _help(name: str) -> str:
    spec = SPECS[name]
    default = default_of(spec)
    text = str(spec.metadata["text"])
    shown = (
        text
        if default is None or "(default" in text
        else f"{text} [{written(spec.metadata['kind'], default)}]"
    )
    return shown.replace("%", "%%")


def _split_psql(words: list[str]) -> tuple[list[str], list[str]]:
    """Our options, as long as they come first, and everything after them, untouched."""
    own = {option(name) for name in PSQL}
    place = 1
    while place < len(words) and words[place].partition("=")[0] in {*own, "--help"}:
        place += 2 if words[place] in own else 1
    return words[:place], words[place:]


def _refuse(word: str, command: str | None) -> NoReturn:
    name = word.partition("=")[0]  # what follows may be a password
    if not name.startswith("-"):
        raise SettingsError("too many arguments", hint=f"see pg-tasks {command or ''} --help")
    known = list(SPECS) if command == "node" else list(DATABASE)
    meant = near_miss(name.lstrip("-"), [*known, "config", "verbose", "interval", "once", "format"])
    raise SettingsError(
        f"unknown option {name}", hint=f"did you mean {option(meant)}?" if meant else None
    )
