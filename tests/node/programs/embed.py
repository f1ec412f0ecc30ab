"""``embed.py <way> <dsn>``: a program of somebody else in which a node runs as a library.

Writes one line when the node is over: its exit code and what the program itself still has.
"""

import os
import subprocess
import sys
import threading
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

import psycopg2

import pg_tasks
from pg_tasks.errors import PgTasksError

way, dsn = sys.argv[1:]


def settings(worker_id: int) -> pg_tasks.Settings:
    return pg_tasks.Settings(
        dsn=dsn, worker_id=worker_id, max_task_count=2, stop_grace=0.2, kill_grace=0.2
    )


def descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def serves(worker_id: int) -> bool:
    connection = psycopg2.connect(dsn)
    try:
        with connection, connection.cursor() as cursor:
            cursor.execute("SELECT 1 FROM long_task.worker WHERE id = %s AND active", (worker_id,))
            return cursor.fetchone() is not None
    finally:
        connection.close()


def in_a_thread(worker_id: int) -> tuple[pg_tasks.Node, threading.Thread, list[int]]:
    node, codes = pg_tasks.Node(settings(worker_id)), list[int]()
    thread = threading.Thread(target=lambda: codes.append(node.run()))
    thread.start()
    while not serves(worker_id):
        thread.join(0.01)
    return node, thread, codes


child = subprocess.Popen(["sleep", "1000"])
match way:
    case "main":
        said = [pg_tasks.Node(settings(1)).run()]
    case "thread":
        node, thread, said = in_a_thread(1)
        sys.stdin.read()
        node.stop()
        thread.join()
    case "again":
        said, held = [], set[int]()
        for _ in range(5):
            node, thread, codes = in_a_thread(1)
            node.stop()
            thread.join()
            said += codes
            held.add(descriptors())
        said.append(len(held))
    case "second":
        node, thread, said = in_a_thread(1)
        try:
            pg_tasks.Node(settings(2)).run()
        except PgTasksError as error:
            sys.stdout.write(f"{error}\n")
        node.stop()
        thread.join()
    case "stopped":
        node = pg_tasks.Node(settings(1))
        node.stop()
        said = [node.run()]
    case _:
        sys.exit(f"no such way: {way}")
alive = child.poll() is None
child.kill()
child.wait()
sys.stdout.write(f"{said} child={alive} pid={os.getpid()}\n")
