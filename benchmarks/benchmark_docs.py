"""docs/BENCHMARKS.md, section by section: each is replaced by the benchmark that measured it, and by nothing else."""

import re
from pathlib import Path

FILE = Path(__file__).parents[1] / "docs" / "BENCHMARKS.md"


def replace_section(title: str, text: str, file: Path = FILE) -> None:
    """Put `text` under the heading `## title`, in place of what stands there, or at the end."""
    section = f"## {title}\n\n{text.strip()}\n"
    old = file.read_text(encoding="utf-8")
    pattern = re.compile(rf"^## {re.escape(title)}\n.*?(?=^## |\Z)", re.MULTILINE | re.DOTALL)
    if found := pattern.search(old):
        rest = old[found.end() :]
        new = old[: found.start()] + section + ("\n" + rest if rest else "")
    else:
        new = old.rstrip("\n") + "\n\n" + section
    file.write_text(new, encoding="utf-8")
