"""python -m lid FILE... [--json] [--model FOLDER_OR_HUB_ID]: which of Uzbek, Russian, English is spoken in each file.

One line a file; with --json one JSON object a line. `-` is standard input. A bad file does not stop the others; the
exit status is 1 if any failed, 2 if nothing could be tried.
"""

import argparse
import sys

from lid.answers import answers, protect_dashes, write
from lid.errors import InputError

OPTIONS = ("-h", "--help", "--json", "--model", "--version")


def main(arguments: list[str] | None = None) -> int:
    arguments = protect_dashes(sys.argv[1:] if arguments is None else arguments, OPTIONS)
    options = _parser().parse_args(arguments)
    from lid.identify import LanguageIdentifier

    try:
        identifier = LanguageIdentifier.load(options.model)
    except InputError as error:
        print(f"lid: {error}", file=sys.stderr)
        return 2
    failed = False
    for answer in answers(options.files, identifier):
        write(answer, options.json)
        failed = failed or bool(answer.error)
    return int(failed)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m lid", description=__doc__.partition(": ")[2])
    parser.add_argument(
        "files",
        nargs="+",
        metavar="FILE",
        help="any usual format, of sound or of video with sound; any rate; - is standard input",
    )
    parser.add_argument("--json", action="store_true", help="one JSON object a line instead of text")
    parser.add_argument("--model", help="a folder or a Hub id; the embedded model by default")
    return parser


if __name__ == "__main__":
    sys.exit(main())
