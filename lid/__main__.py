"""The command `lid`, also `python -m lid`.

`lid FILE...` tells which of Uzbek, Russian and English is spoken in each file: one line a file; with --json one JSON
object a line. `-` is standard input. A bad file does not stop the others; the exit status is 1 if any failed, 2 if
nothing could be tried.

Where the first argument names one of COMMANDS, that command gets the rest of them. A file of such a name is given as
`./publish`.
"""

import argparse
import sys
from collections.abc import Sequence
from importlib import import_module

from lid import __version__
from lid.answers import answers, protect_dashes, write
from lid.errors import InputError

OPTIONS = ("-h", "--help", "--json", "--model", "--version")

# name: the module whose main(arguments) -> exit status it is, and what it does
COMMANDS = {
    "export": ("lid.release.export", "write a checkpoint's graphs for ONNX Runtime, which serving on CPUs runs"),
    "publish": ("lid.release.publish", "upload a finished run to the Hugging Face Hub: the model and its Space"),
    "report": ("lid.release.report", "make a finished run the repository's own model, card and REPORT.md"),
    "soup": ("lid.soup", "average finished runs, or a run with its base model"),
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command that `arguments` name (those of the process by default) and return its exit status."""
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    if arguments and arguments[0] in COMMANDS:
        return _run(arguments[0], arguments[1:])
    return _identify(_parser().parse_args(protect_dashes(arguments, OPTIONS)))


def _run(command: str, arguments: list[str]) -> int:
    module, _ = COMMANDS[command]
    try:
        return import_module(module).main(arguments)
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] == "lid":
            raise
        needed = "pip install 'lid-uz-ru-en[train]'"
        print(f"lid {command}: the package {error.name} is missing. Try: {needed}", file=sys.stderr)
        return 2


def _identify(options: argparse.Namespace) -> int:
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
    width = max(map(len, COMMANDS))
    commands = "\n".join(f"  lid {name:{width}}  {what}" for name, (_, what) in COMMANDS.items())
    parser = argparse.ArgumentParser(
        prog="lid",
        description="Tell which of Uzbek, Russian and English is spoken in each file.",
        epilog=f"other commands (each has its own --help; a file of such a name is ./NAME):\n{commands}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "files",
        nargs="+",
        metavar="FILE",
        help="any usual format, of sound or of video with sound; any rate; - is standard input",
    )
    parser.add_argument("--json", action="store_true", help="one JSON object a line instead of text")
    parser.add_argument("--model", help="a folder or a Hub id; the embedded model by default")
    parser.add_argument("--version", action="version", version=f"lid {__version__}")
    return parser


if __name__ == "__main__":
    sys.exit(main())
