"""Counts the words of a file: ``count.py <file>``. The counts become the ``result`` of its task."""

import json
import os
import re
import sys
from collections import Counter
from pathlib import Path

words = Counter(re.findall(r"\w+", Path(sys.argv[1]).read_text(encoding="utf-8").lower()))
Path(os.environ["PG_TASKS_RESULT"]).write_text(json.dumps(words))
