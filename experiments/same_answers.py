"""Did a change of the code change an answer? What two checkouts say of the same files, side by side.

    PYTHONPATH=../before python experiments/same_answers.py answer FILE... > before.jsonl
    PYTHONPATH=.         python experiments/same_answers.py answer FILE... > after.jsonl
    python experiments/same_answers.py compare before.jsonl after.jsonl

`answer` prints what `lid --json` prints; `compare` also takes what `lid --json` itself printed. It compares byte for
byte all that is in the older answers; keys that only the newer ones have are named, and are no difference. The exit
status is 1 when anything differs. With --sentences, the words of an error may differ.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("answer").add_argument("files", nargs="+", metavar="FILE")
    comparing = commands.add_parser("compare")
    comparing.add_argument("before", type=Path)
    comparing.add_argument("after", type=Path)
    comparing.add_argument("--sentences", action="store_true", help="the words of an error may differ")
    options = parser.parse_args()
    if options.command == "answer":
        answer(options.files)
        return 0
    return compare(options.before, options.after, options.sentences)


def answer(paths: Sequence[str]) -> None:
    """Print one JSON object a line for each file, by the package that comes first in Python's path."""
    from lid import InputError, LanguageIdentifier, audio

    identifier = LanguageIdentifier.load()
    for path in paths:
        try:
            recording: Any = audio.read(path)
            sound = (
                recording if hasattr(recording, "sounds") else recording.waveform
            )  # older checkouts take arrays only
            told = identifier.identify(sound).to_dict()
        except InputError as error:
            told = {"error": str(error)}
        print(json.dumps({"path": path, **told}, ensure_ascii=False))


def compare(before: Path, after: Path, sentences: bool) -> int:
    """Print what differs, and a count. Returns the exit status."""
    older, newer = (
        {one["path"]: one for one in map(json.loads, file.open(encoding="utf-8"))} for file in (before, after)
    )
    differing, new = 0, {}
    for path, answer in older.items():
        found = newer.get(path, {})
        new |= dict.fromkeys(found.keys() - answer.keys())
        if sentences and answer.get("error") and found.get("error"):
            continue
        expected, got = (json.dumps(one, ensure_ascii=False) for one in (answer, within(answer, found)))
        if expected != got:
            differing += 1
            print(f"- {expected}\n+ {got}")
    if only := newer.keys() - older.keys():
        print(f"{len(only)} files only in {after}, such as {min(only)}")
    if new:
        print(f"new keys: {', '.join(sorted(new))}")
    print(f"{len(older) - differing} of {len(older)} answers are the same")
    return int(bool(differing or only or not older))


def within(older: Any, newer: Any) -> Any:
    """`newer` with no more keys than `older` has, at any depth; their order stays."""
    if isinstance(older, dict) and isinstance(newer, dict):
        return {key: within(older[key], value) for key, value in newer.items() if key in older}
    if isinstance(older, list) and isinstance(newer, list) and len(older) == len(newer):
        return [within(*pair) for pair in zip(older, newer, strict=True)]
    return newer


if __name__ == "__main__":
    sys.exit(main())
