"""Whether the witnesses and the database tell the same story, and a lawful one."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from psycopg2.extensions import connection as Connection

_SHOWN = 20


class Begin(NamedTuple):
    """An attempt began."""

    task_id: int
    attempt: int
    pid: int
    at: float


class End(NamedTuple):
    """An attempt is about to end by itself."""

    task_id: int
    attempt: int
    pid: int
    at: float
    exit_code: int


class Overlap(NamedTuple):
    """An attempt found another one of the same task alive."""

    task_id: int
    attempt: int
    pid: int
    at: float


Line = Begin | End | Overlap


class Run(NamedTuple):
    """What the verdict has to know of a row of ``long_task.task_run``."""

    task_id: int
    attempt: int
    state_id: str
    pid: int | None
    exit_code: int | None
    signal: int | None
    error: str | None


class Task(NamedTuple):
    """What the verdict has to know of a row of ``long_task.task``."""

    id: int
    state_id: str
    attempt: int
    base_attempt: int
    max_attempts: int
    running_on: int | None


class Story(NamedTuple):
    """All that is known of one task."""

    task: Task | None
    lines: list[Line]
    runs: list[Run]


def judge(directory: Path, connection: Connection) -> None:
    """Raises AssertionError with every violation that witnesses or rows show.

    Call it when every task is over. ``directory`` is where the witnesses wrote.
    """
    found = violations(read_lines(directory), *read_rows(connection))
    shown = "\n".join(found[:_SHOWN])
    assert not found, f"{len(found)} violations, the first of them:\n{shown}"


def violations(lines: Iterable[Line], runs: Iterable[Run], tasks: Iterable[Task]) -> list[str]:
    """What must not be, a line for each; empty: all is well."""
    stories = _stories(lines, runs, tasks)
    return [
        f"task {task_id}: {what}"
        for task_id, story in sorted(stories.items())
        for check in (_overlaps, _unwritten, _without_process, _untrue, _unfinished, _gaps)
        for what in check(story)
    ]


def read_lines(directory: Path) -> list[Line]:
    """What all witnesses have written below ``directory``."""
    return [
        parse_line(text)
        for path in directory.iterdir()
        if path.name.isdigit()
        for text in path.read_text().splitlines()
    ]


def parse_line(text: str) -> Line:
    """A line of ``witness.py``."""
    match text.split():
        case ["begin", task, attempt, pid, at]:
            return Begin(int(task), int(attempt), int(pid), float(at))
        case ["end", code, task, attempt, pid, at]:
            return End(int(task), int(attempt), int(pid), float(at), int(code))
        case ["overlap", task, attempt, pid, at]:
            return Overlap(int(task), int(attempt), int(pid), float(at))
    raise AssertionError(f"no line of a witness: {text!r}")


def read_rows(connection: Connection) -> tuple[list[Run], list[Task]]:
    """The whole history and all tasks but drafts."""
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {', '.join(Run._fields)} FROM long_task.task_run")
        runs = [Run(*row) for row in cursor.fetchall()]
        cursor.execute(
            f"SELECT {', '.join(Task._fields)} FROM long_task.task WHERE state_id <> 'DR'"
        )
        tasks = [Task(*row) for row in cursor.fetchall()]
    return runs, tasks


def _stories(
    lines: Iterable[Line], runs: Iterable[Run], tasks: Iterable[Task]
) -> Mapping[int, Story]:
    stories = {task.id: Story(task, [], []) for task in tasks}
    unknown: defaultdict[int, Story] = defaultdict(lambda: Story(None, [], []))
    for line in lines:
        (stories if line.task_id in stories else unknown)[line.task_id].lines.append(line)
    for run in runs:
        (stories if run.task_id in stories else unknown)[run.task_id].runs.append(run)
    return {**unknown, **stories}


def _overlaps(story: Story) -> Iterator[str]:
    """Two attempts at once; the times are a second witness beside the lock."""
    for line in story.lines:
        if isinstance(line, Overlap):
            yield f"attempt {line.attempt} (pid {line.pid}) ran while another one was alive"
    begins = sorted(
        (line for line in story.lines if isinstance(line, Begin)), key=lambda line: line.at
    )
    ends = {line.attempt: line for line in story.lines if isinstance(line, End)}
    for earlier, later in zip(begins, begins[1:], strict=False):
        end = ends.get(earlier.attempt)
        if later.attempt == earlier.attempt:
            yield f"attempt {later.attempt} was started twice (pids {earlier.pid}, {later.pid})"
        elif later.attempt < earlier.attempt:
            yield f"attempt {later.attempt} began after attempt {earlier.attempt}"
        elif end is not None and end.at > later.at:
            yield f"attempt {later.attempt} began before attempt {earlier.attempt} had ended"


def _unwritten(story: Story) -> Iterator[str]:
    written = {run.attempt for run in story.runs}
    for attempt in sorted({line.attempt for line in story.lines} - written):
        yield f"attempt {attempt} ran and has no row in task_run"


def _without_process(story: Story) -> Iterator[str]:
    """An attempt needs no process if its row says why, or that a signal came before a word."""
    seen = {line.attempt: line.pid for line in story.lines}
    for run in story.runs:
        pid = seen.get(run.attempt)
        if pid is None:
            excused = run.error is not None if run.pid is None else run.signal is not None
            if not excused:
                yield f"attempt {run.attempt} has a row and no witness: {run}"
        elif run.pid is not None and run.pid != pid:
            yield f"attempt {run.attempt} was process {pid}, its row says {run.pid}"


def _untrue(story: Story) -> Iterator[str]:
    """An exit code is what the process said; only a kill or a lost report may take its place."""
    said = {line.attempt: line.exit_code for line in story.lines if isinstance(line, End)}
    for run in story.runs:
        code = said.get(run.attempt)
        if run.exit_code is not None and run.exit_code != code:
            yield f"attempt {run.attempt} exited with {code}, its row says {run.exit_code}"
        elif run.exit_code is None and run.signal is None and run.error is None:
            yield f"attempt {run.attempt} has a row that does not say how it ended"
        if run.state_id == "CS" and run.exit_code != 0:
            yield f"attempt {run.attempt} counts as completed without having exited with 0"


def _unfinished(story: Story) -> Iterator[str]:
    task = story.task
    if task is None:
        yield "has no row any more"
        return
    if not task.state_id.startswith("C") or task.running_on is not None:
        yield f"is not over: {task}"
        return
    used = task.attempt - task.base_attempt
    if task.state_id == "CF" and used < task.max_attempts:
        yield f"failed after {used} of {task.max_attempts} attempts"
    if used > task.max_attempts:
        yield f"had {used} attempts of {task.max_attempts}"
    last = max(story.runs, key=lambda run: run.attempt, default=None)
    if task.state_id != "CC" and last is not None and last.state_id != task.state_id:
        yield f"is {task.state_id}, and its last attempt {last.state_id}"
    if task.state_id != "CC" and last is None:
        yield f"is {task.state_id} without any attempt"


def _gaps(story: Story) -> Iterator[str]:
    there = sorted(run.attempt for run in story.runs)
    if story.task is not None and there != list(range(1, story.task.attempt + 1)):
        yield f"has {story.task.attempt} attempts, and rows for {there}"
