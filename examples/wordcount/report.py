"""Makes a text of the joined counts, which are among the parameters. The text is the result."""

import json
import os
from pathlib import Path

params = json.loads(os.environ["PG_TASKS_PARAMS"])
counts = params["join"]
lines = [f"{counts['words']} words, {counts['distinct']} different ones, {counts['files']} files"]
lines += [f"{number:8} {word}" for word, number in counts["most"]]
Path(os.environ["PG_TASKS_RESULT"]).write_text(json.dumps("\n".join(lines) + "\n"))
