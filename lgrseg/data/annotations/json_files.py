"""The content of annotation files in JSON."""

import functools
import json
from pathlib import Path


def json_content(file: Path) -> dict:
    """The JSON object in a file; empty if the file is not JSON, or holds something else."""
    return _content(file, file.stat().st_mtime_ns) if file.suffix.lower() == ".json" else {}


@functools.lru_cache(maxsize=4)
def _content(file: Path, changed: int) -> dict:
    try:
        content = json.loads(file.read_text(encoding="utf-8-sig"))
    except ValueError:
        return {}
    return content if isinstance(content, dict) else {}
