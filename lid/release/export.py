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
from lid.model import checksums, graphs, onnx
from lid.model.open_set import OpenSetDetector

if TYPE_CHECKING:
    from transformers import WhisperForAudioClassification


def export(folder: Path, exact: bool = False) -> None:
    """Write the graphs of a saved checkpoint into its folder, and its checksums anew. Raises InputError when there is
    no usable checkpoint, or it cannot be written."""
    from lid.model import whisper

    checksums.verify(folder, checksums.WEIGHTS)
    write(folder, whisper.load(folder), OpenSetDetector.load(folder), exact)


def write(
    folder: Path, model: "WhisperForAudioClassification", detector: OpenSetDetector | None, exact: bool = False
) -> None:
    """Write the graphs of a checkpoint in memory, saved or about to be saved in `folder`, and the checksums."""
    from lid.model.graphs import decision

    place = folder / onnx.FOLDER
    encoder, log_mel = graphs.of(model)
    files = {onnx.QUANTISED: encoder, onnx.LOG_MEL: log_mel, onnx.DECISION: decision.of(model, detector)}
    if exact:
        files[onnx.EXACT] = graphs.of(model, quantised=False)[0]
    try:
        place.mkdir(exist_ok=True)
        for name, data in files.items():
            partial = place / f"{name}.partial"
            partial.write_bytes(data)
            partial.replace(place / name)
        checksums.write(folder)
    except OSError as error:
        raise InputError(
            f"{place} could not be written ({error}). Make room and give the same command again.", "disk"
        ) from error


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
