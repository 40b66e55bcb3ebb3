"""python -m lid FILE... [--json] [--model FOLDER_OR_HUB_ID]: which of Uzbek, Russian, English is spoken in each file.

One line a file; with --json one JSON object a line. A bad file does not stop the others; the exit status is 1 if any
failed, 2 if nothing could be tried.
"""

import argparse
import json
import sys

from lid.errors import InputError
from lid.languages import NAMES


def main(arguments: list[str] | None = None) -> int:
    options = _parser().parse_args(arguments)
    from lid import audio
    from lid.identify import LanguageIdentifier

    try:
        identifier = LanguageIdentifier.load(options.model)
    except InputError as error:
        print(f"lid: {error}", file=sys.stderr)
        return 2
    failed = False
    for path in options.files:
        try:
            answer = {"path": path, **identifier.identify(audio.read(path)).to_dict()}
        except InputError as error:
            answer = {"path": path, "error": str(error)}
            failed = True
        print(json.dumps(answer, ensure_ascii=False) if options.json else _line(answer), flush=True)
    return int(failed)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m lid", description=__doc__.partition(": ")[2])
    parser.add_argument(
        "files", nargs="+", metavar="FILE", help="any usual format, of sound or of video with sound; any rate"
    )
    parser.add_argument("--json", action="store_true", help="one JSON object a line instead of text")
    parser.add_argument("--model", help="a folder or a Hub id; the embedded model by default")
    return parser


def _line(answer: dict) -> str:
    if "error" in answer:
        return f"{answer['path']}: error: {answer['error']}"
    if answer["language"] is None:
        return f"{answer['path']}: no speech heard in {answer['duration_seconds']:.1f} s"
    shares = ", ".join(f"{code} {p:.1%}" for code, p in answer["probabilities"].items())
    return f"{answer['path']}: {NAMES[answer['language']]} ({shares}; {answer['speech_seconds']:.1f} s of speech)"


if __name__ == "__main__":
    sys.exit(main())
