"""A checkpoint's graphs for ONNX Runtime, written beside its weights: `lid export FOLDER`.

In FOLDER/onnx: model_quantized.onnx, the encoder and head in 8-bit numbers, which serving on CPUs and in browsers runs;
log_mel.onnx, its front end; decision.onnx, which tells the three languages from others. With --exact also model.onnx,
the encoder in the weights' own precision. The names are those of Optimum and transformers.js. The recipe does the same
at its end.
"""

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from lid.errors import InputError, command
from lid.model import checksums, graphs, onnx, whisper
from lid.model.open_set import OpenSetDetector

if TYPE_CHECKING:
    pass


def export(folder: Path, exact: bool = False) -> None:
    """Write the graphs of a saved checkpoint into its folder, and its checksums anew. Raises InputError when there is
    no usable checkpoint, or it cannot be written."""
    checksums.verify(folder, checksums.WEIGHTS)
    model = whisper.load(folder)
    try:
        graphs.write(folder, model, OpenSetDetector.load(folder), exact)
    except ValueError as error:
        raise InputError(f"{folder} cannot be exported: {error}.", "model") from error


@command("lid export")
def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="lid export", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path, help="a checkpoint, such as assets/model or a run's merged folder")
    parser.add_argument("--exact", action="store_true", help="also model.onnx, in the weights' own precision")
    options = parser.parse_args(arguments)
    export(options.folder, options.exact)
    for path in sorted((options.folder / onnx.FOLDER).glob("*.onnx")):
        print(f"{path}: {path.stat().st_size / 1e6:.1f} MB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
