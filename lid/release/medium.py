"""What whisper-medium on full Common Voice costs: measured at its exact shape, and worked out for a GPU."""

import numpy as np

FRAMES_A_SECOND = 50  # encoder frames
PASSES = 3  # forward, again for gradient checkpointing, and backward; frozen weights need no gradients of their own
GPU_FLOPS = 312e12  # NVIDIA A100, dense bf16, from its data sheet
UTILISATION = 0.3  # of that, as trainings of this size reach
STEPS = 8_000
LONGEST = 10.0  # seconds, as train_lora's --window


def expectations(measured: dict) -> dict:
    """Words and numbers for the report from what experiments/medium_shape.py wrote."""
    seconds = (LONGEST - 1.0) / np.log(LONGEST)  # the mean of lengths drawn evenly on a logarithmic scale from 1 s
    frames = measured["batch_size"] * seconds * FRAMES_A_SECOND
    flops = 2 * measured["parameters"] * frames * PASSES
    step = flops / (GPU_FLOPS * UTILISATION)
    speeds = np.array(measured["audio_seconds_a_step"]) / np.array(measured["seconds_a_step"])
    return {
        **measured,
        "millions": measured["parameters"] / 1e6,
        "trainable_millions": measured["trainable"] / 1e6,
        "speed": float(np.median(speeds)),
        "loss_list": ", ".join(f"{loss:.3f}" for loss in measured["losses"]),
        "gpu_steps": STEPS,
        "gpu_teraflops": flops / 1e12,
        "gpu_utilisation": UTILISATION,
        "gpu_hours": STEPS * step / 3600,
        "disk_gb": 3 * 8_000 * 5.0 * 32_000 / 1e9,  # clips x seconds x bytes of 16-bit speech at 16 kHz
    }
