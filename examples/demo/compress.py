"""Compresses one file into a directory: ``compress.py <file> <directory>``.

What it writes to the file named in PG_TASKS_RESULT becomes the column ``result`` of its task.
"""

import gzip
import json
import os
import sys
from pathlib import Path

source, directory = map(Path, sys.argv[1:])
data = source.read_bytes()
packed = gzip.compress(data)
(directory / f"{source.name}.gz").write_bytes(packed)
Path(os.environ["PG_TASKS_RESULT"]).write_text(
    json.dumps({"before": len(data), "after": len(packed)})
)
