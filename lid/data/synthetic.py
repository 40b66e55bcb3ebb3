"""Speech by eSpeak NG in the layout of Common Voice: one robot with every language on its tongue.

    python -m lid.data.synthetic speech/                             # sentences.tsv, beside this file
    python train_lora.py --extra-train speech/ --background speech/ ...

Between its languages nothing differs but the sounds and their order: neither microphone nor voice gives them away. Few
clips of it among real ones teach that, and that a voice unlike any other is no reason to be sure. Train on it only.
"""

import argparse
import csv
import random
import shutil
import subprocess
import sys
from pathlib import Path

from tqdm import tqdm

from lid.errors import InputError

SENTENCES = Path(__file__).with_name("sentences.tsv")
TIMBRES = ("m1", "m2", "m3", "m4", "m5", "m6", "m7", "f1", "f2", "f3", "f4", "f5", "klatt", "klatt2", "klatt3")
COLUMNS = ("client_id", "path", "sentence_id", "sentence", "up_votes", "down_votes", "locale")


def write(folder: Path, takes: int, seed: int = 0) -> int:
    """Every sentence spoken `takes` times by timbres, tempos and pitches drawn from `seed`; returns the clips written.

    Raises InputError where eSpeak NG is missing.
    """
    if not shutil.which("espeak-ng"):
        raise InputError("eSpeak NG is not installed. On Debian: apt install espeak-ng.", "espeak")
    rng = random.Random(seed)
    rows: dict[str, list[dict]] = {}
    with SENTENCES.open(encoding="utf-8", newline="") as file:
        sentences = list(csv.reader(file, delimiter="\t", quoting=csv.QUOTE_NONE))
    for number, (language, sentence) in enumerate(tqdm(sentences, "speaking", unit="sentence", mininterval=1)):
        clips = folder / language / "clips"
        clips.mkdir(parents=True, exist_ok=True)
        for timbre in rng.sample(TIMBRES, min(takes, len(TIMBRES))):
            name = f"espeak-{number:03d}-{timbre}.wav"
            _speak(sentence, language, timbre, rng, clips / name)
            speaker = f"espeak-{language}-{timbre}"
            rows.setdefault(language, []).append(
                dict(zip(COLUMNS, (speaker, name, "", sentence, 2, 0, language), strict=True))
            )
    for language, table in rows.items():
        with (folder / language / "validated.tsv").open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(
                file, COLUMNS, delimiter="\t", quoting=csv.QUOTE_NONE, quotechar=None, lineterminator="\n"
            )
            writer.writeheader()
            writer.writerows(table)
    return sum(map(len, rows.values()))


def _speak(sentence: str, language: str, timbre: str, rng: random.Random, file: Path) -> None:
    tempo, pitch = rng.randint(120, 190), rng.randint(20, 80)  # words a minute, and eSpeak's own scale of 0 to 99
    voice = f"{language}+{timbre}"
    command = ["espeak-ng", "-v", voice, "-s", str(tempo), "-p", str(pitch), "-w", str(file), sentence]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    if result.returncode:
        raise InputError(f"eSpeak NG cannot speak {language}. ({result.stderr.strip()})", "espeak")


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m lid.data.synthetic", description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="where to write; its subfolders are languages")
    parser.add_argument("--takes", type=int, default=3, help="times each sentence is spoken, by different timbres")
    options = parser.parse_args(arguments)
    try:
        print(f"{write(options.folder, options.takes)} clips in {options.folder}")
    except InputError as error:
        print(f"synthetic: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
