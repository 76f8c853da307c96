"""The pages of the documentation, and the commands that stand in them."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGES = {
    path.relative_to(ROOT).as_posix(): path.read_text(encoding="utf-8")
    for path in [*sorted(ROOT.glob("*.md")), *sorted(ROOT.glob("d*/**/*.md"))]
}
"""README.md and so on, docs/, and datasets/README.md."""
BLOCKS = [
    (page, language, block)
    for page, text in PAGES.items()
    for language, block in re.findall(r"^```(\w*)\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
]
COMMANDS = list(
    dict.fromkeys(  # each once, in the order of the pages
        line.partition(" # ")[0].strip()
        for _, language, block in BLOCKS
        if language == "bash"
        for line in block.splitlines()
    )
)
