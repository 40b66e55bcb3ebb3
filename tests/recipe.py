"""The whole recipe on a corpus made on the spot: fixtures for the tests of what trains, and of what comes after."""

import csv
import io
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
import soundfile
import soxr

from lid import audio
from tests.conftest import EXAMPLES

RATE = audio.SAMPLE_RATE
SPOKEN = {"uz": "uzbek.mp3", "ru": "russian.ogg", "en": "english.m4a"}


@pytest.fixture(scope="session")
def corpus(tmp_path_factory):
    """Pieces of the synthetic examples, forwards and backwards at three speeds, as clips of many speakers."""
    root = tmp_path_factory.mktemp("corpus")
    for language, name in SPOKEN.items():
        (root / language / "clips").mkdir(parents=True)
        waveform = audio.decode(EXAMPLES / name)
        pieces = np.array_split(waveform, max(3, len(waveform) // int(2.2 * RATE)))
        rows = []
        for speed in (0.8, 1.0, 1.25):
            for index, piece in enumerate([*pieces, *(p[::-1] for p in pieces)]):
                path = f"{language}-{speed}-{index}.flac"
                file = io.BytesIO()
                soundfile.write(file, soxr.resample(piece, RATE * speed, RATE), RATE, format="FLAC")
                (root / language / "clips" / path).write_bytes(file.getvalue())
                rows.append({"client_id": f"{language}{len(rows) // 2}", "path": path, "sentence": ""})
        (root / language / "clips" / "broken.mp3").write_bytes(b"")
        rows.append({"client_id": f"{language}x", "path": "broken.mp3", "sentence": ""})
        with (root / language / "validated.tsv").open("w", newline="") as table:
            writer = csv.DictWriter(table, ["client_id", "path", "sentence"], delimiter="\t", lineterminator="\n")
            writer.writeheader()
            writer.writerows(rows)
    for language, words in (("kk", "english.m4a"), ("tr", "russian.ogg")):  # two stand-ins for other languages
        (root / language / "clips").mkdir(parents=True)
        waveform = audio.decode(EXAMPLES / words)[: 12 * RATE]
        rows = []
        for index, piece in enumerate(np.array_split(soxr.resample(waveform, RATE, RATE * 1.4), 5)):
            soundfile.write(root / language / "clips" / f"{language}-{index}.wav", piece, RATE)
            rows.append({"client_id": f"{language}{index}", "path": f"{language}-{index}.wav", "sentence": ""})
        with (root / language / "validated.tsv").open("w", newline="") as table:
            writer = csv.DictWriter(table, ["client_id", "path", "sentence"], delimiter="\t", lineterminator="\n")
            writer.writeheader()
            writer.writerows(rows)
    return root


@pytest.fixture(scope="session")
def unseen(tmp_path_factory):
    """Another corpus of the three languages: two voices each that are in no clip of the first."""
    root = tmp_path_factory.mktemp("unseen")
    for language, name in SPOKEN.items():
        (root / language / "clips").mkdir(parents=True)
        waveform = soxr.resample(audio.decode(EXAMPLES / name)[: 6 * RATE], RATE, RATE * 1.1)
        rows = ["client_id\tpath\tsentence"]
        for index, piece in enumerate(np.array_split(waveform, 2)):
            soundfile.write(root / language / "clips" / f"{index}.wav", piece, RATE)
            rows.append(f"{language}-elsewhere-{index}\t{index}.wav\t")
        (root / language / "validated.tsv").write_text("\n".join(rows) + "\n")
    return root


class Command(NamedTuple):
    """A command line of the recipe, its part that names data and models, and its --output."""

    arguments: list[str]
    sources: list[str]
    output: Path


@pytest.fixture(scope="session")
def command(corpus, unseen, miniature, tmp_path_factory) -> Command:
    work = tmp_path_factory.mktemp("run")
    sources = ["--data", corpus, "--background", corpus, "--base-model", miniature, "--cache-dir", work / "cache"]
    arguments = [*sources, "--output", work / "out", "--held-out-languages", "tr", "--steps", 4, "--validate-every", 2]
    arguments += ["--eval-also", unseen, "--batch-size", 7, "--window", 2, "--workers", 0, "--cpu", "--fp32"]
    return Command(*([str(argument) for argument in some] for some in (arguments, sources)), work / "out")


@pytest.fixture(scope="session")
def finished(command) -> Path:
    """The folder of a run that has ended."""
    import train_lora  # here: most tests need not wait for all that it imports

    assert train_lora.main(command.arguments) == 0
    return command.output
