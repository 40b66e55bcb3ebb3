"""Pack what a quarter of an hour on a rented GPU needs, small enough to take there: speech, noise, and base weights.

    python experiments/quarter_hour/pack.py --output pack/ --data corpus/ --background corpus/ --noise noises/ \
      --extra-train synthetic/ --base-model openai/whisper-base --held-out-languages fr hu ja lv

Takes the flags of train_lora.py that say which clips train, and makes of the training part:

    speech-*.bin    Opus files end to end, no file over --most bytes
    clips.json      where each clip is, its language and speaker, and the same of the noise
    encoder.*       the base model's encoder in float16; decoder.*: its decoder in 8 bits, which names languages
"""

import argparse
import json
import sys
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file
from tqdm import tqdm
from transformers import WhisperForConditionalGeneration

sys.path.insert(0, str(Path(__file__).parents[2]))

from lid.audio import SAMPLE_RATE
from lid.data import sounds
from lid.data.augment import encode
from lid.training import prepare, teacher
from lid.training.config import Data, Evaluation, Run, Sources, add_arguments, read

BIT_RATE = 12_000  # of speech, bit/s
NOISE_BIT_RATE = 24_000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--most", type=int, default=60_000_000)
    for group in (Sources, Data, Evaluation, Run):
        add_arguments(parser, group)
    given = parser.parse_args()
    sources, run = read(given, Sources), read(given, Run)
    run.output.mkdir(parents=True, exist_ok=True)
    write_weights(sources.base_model, run.output)
    selection = prepare.select(sources, read(given, Data), read(given, Evaluation), run.cache_dir, None, run.workers)
    train = prepare.decode(selection, run.cache_dir).train
    shards = Shards(run.output, given.most)
    clips = [
        {
            "language": clip.language,
            "speaker": clip.speaker,
            "place": shards.add(waveform, BIT_RATE),
        }
        for clip, waveform in zip(train.clips, tqdm(train.speech, "packing", mininterval=2), strict=True)
    ]
    noises = [{"place": shards.add(noise, NOISE_BIT_RATE)} for noise in sounds.load_noises(sources.noise)]
    shards.close()
    about = {"clips": clips, "noises": noises, "teacher": teacher.language_tokens(sources.base_model)}
    (run.output / "clips.json").write_text(json.dumps(about))


class Shards:
    """Opus files end to end in files of at most `most` bytes."""

    def __init__(self, folder: Path, most: int):
        self.folder, self.most, self.number, self.size = folder, most, -1, most
        self.file = None

    def add(self, waveform: np.ndarray, bit_rate: int) -> tuple[int, int, int]:
        """Write float32 (samples,) at 16 kHz; returns the file's number, where in it, and how many bytes."""
        encoded = encode((np.clip(waveform, -1, 1) * 32767).astype(np.int16), "ogg", "libopus", SAMPLE_RATE, bit_rate)
        if self.size + len(encoded) > self.most:
            self.close()
            self.number, self.size = self.number + 1, 0
            self.file = (self.folder / f"speech-{self.number}.bin").open("wb")
        place = (self.number, self.size, len(encoded))
        self.file.write(encoded)
        self.size += len(encoded)
        return place

    def close(self) -> None:
        if self.file:
            self.file.close()


def write_weights(base_model: str, folder: Path) -> None:
    """The encoder in float16; of the decoder what its first step needs, rows of weights in 8 bits."""
    model = WhisperForConditionalGeneration.from_pretrained(base_model, use_safetensors=True, dtype=torch.float32)
    weights = model.state_dict()
    encoder = {name: w.half().contiguous() for name, w in weights.items() if name.startswith("model.encoder.")}
    save_file(encoder, folder / "encoder.safetensors")
    tokens = [model.config.decoder_start_token_id, *teacher.language_tokens(base_model).values()]
    decoder = {}
    for name, weight in weights.items():
        if not name.startswith("model.decoder."):
            continue
        weight = weight[tokens] if name.endswith("embed_tokens.weight") else weight
        weight = weight[:1] if name.endswith("embed_positions.weight") else weight
        if weight.ndim == 2:
            scale = weight.abs().amax(dim=1, keepdim=True).clamp(min=1e-9) / 127
            decoder[name + ".scale"] = scale
            weight = (weight / scale).round().to(torch.int8)
        decoder[name] = weight.contiguous()
    save_file(decoder, folder / "decoder.safetensors")
    model.config.save_pretrained(folder)


if __name__ == "__main__":
    main()
