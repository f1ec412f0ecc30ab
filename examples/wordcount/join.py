"""Adds up the counts that come through stdin, one object for each file: the result of ``count``."""

import json
import os
import sys
from collections import Counter
from pathlib import Path

files, total = 0, Counter[str]()
for line in sys.stdin:
    total.update(json.loads(line))
    files += 1
Path(os.environ["PG_TASKS_RESULT"]).write_text(
    json.dumps(
        {
            "files": files,
            "words": total.total(),
            "distinct": len(total),
            "most": total.most_common(5),
        }
    )
)
