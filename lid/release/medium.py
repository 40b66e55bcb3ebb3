"""What whisper-medium on Common Voice costs: tried out on a CPU, and for a card, measured or worked out.

The numbers are those of experiments/medium_shape.py and benchmarks/gpu_training.py.
"""

import numpy as np

CLIP_SECONDS = 5.0  # of Common Voice, of which speech is kept decoded: 16 bits at 16 kHz


def tried_out(measured: dict) -> dict:
    """Words and numbers for the report from what experiments/medium_shape.py wrote."""
    speeds = np.array(measured["audio_seconds_a_step"]) / np.array(measured["seconds_a_step"])
    return {
        **measured,
        "millions": measured["parameters"] / 1e6,
        "trainable_millions": measured["trainable"] / 1e6,
        "speed": float(np.median(speeds)),
        "loss_list": ", ".join(f"{loss:.3f}" for loss in measured["losses"]),
    }


def disk_gigabytes(clips: int) -> float:
    """What the decoded speech of so many clips takes."""
    return clips * CLIP_SECONDS * 32_000 / 1e9


def on_a_card(measured: dict) -> tuple[str, list[str], list[list]]:
    """A sentence, and head and rows of a table, from what benchmarks/gpu_training.py wrote."""
    return _measured(measured) if "formats" in measured else _worked_out(measured)


def _measured(found: dict) -> tuple[str, list[str], list[list]]:
    made = ", ".join(f"{rate:,.0f} with {of}" for of, rate in found["loader_clips_a_second"].items())
    together = found["with_loader"]
    price = f", {found['dollars']:.2f} dollars" if "dollars" in found else ""
    sentence = (
        f"Measured on {found['device']}: {found['steps']:,} steps of {found['clips_a_step']} clips take "
        f"{found['hours']:.1f} hours{price}, with augmentation by {together['workers']} processes, for which the card "
        f"waits {together['share_waited']:.0%} of the time. Clips that are read, cut and augmented a second, by "
        f"processes at work: {made}."
    )
    rows = [
        [
            one["format"],
            "yes" if one["gradient_checkpointing"] else "no",
            f"{one['clips_a_second']:,.0f}",
            f"{one['share_of_peak']:.0%}",
        ]
        for one in found["formats"]
    ]
    return sentence, ["format", "gradient checkpointing", "clips a second", "of the card's peak"], rows


def _worked_out(found: dict) -> tuple[str, list[str], list[list]]:
    clips = found["clips_a_step"]
    sentence = (
        f"No card was at hand, so this is worked out. A step of {clips} clips is {found['teraflop_a_step']:.1f} TFLOP, "
        f"counted by PyTorch; cards are taken to reach {found['utilisation']:.0%} of the peak in their data sheets; a "
        f"clip of 10 s keeps {found['memory']['gb_a_clip']:.2f} GB in 16-bit numbers. A CPU core reads, cuts and "
        f"augments {found['loader_clips_a_core_second']:.0f} clips a second, so fast cards wait for their cores."
    )
    rows = [
        [name, one["clips_at_once"], f"{one['clips_a_second']:,.0f}", f"{one['hours']:.1f}"]
        for name, one in found["cards"].items()
    ]
    head = [
        "card",
        f"of {clips} clips at once",
        "clips a second",
        f"hours for {found['steps']:,} steps, if batches keep up",
    ]
    return sentence, head, rows
