"""Which language a WAV file (16 kHz, mono, 16 bits) is in, with NumPy and ONNX Runtime alone, from its first 10 s:

pip install onnxruntime && python examples/plain_onnxruntime.py clip.wav
"""

import json
import sys
import wave
from pathlib import Path

import numpy as np
import onnxruntime

folder = Path(__file__).parents[1] / "assets" / "model" / "onnx"
names = ("log_mel", "model_quantized", "decision")
log_mel, encoder, decision = (onnxruntime.InferenceSession(folder / f"{name}.onnx") for name in names)
about = {
    key: json.loads(value)
    for graph in (encoder, decision)
    for key, value in graph.get_modelmeta().custom_metadata_map.items()
}

with wave.open(sys.argv[1]) as file:
    if (file.getframerate(), file.getnchannels(), file.getsampwidth()) != (16_000, 1, 2):
        sys.exit("Give a WAV file of 16 kHz, mono, 16 bits.")
    samples = np.frombuffer(file.readframes(about["window_frames"] * 320), "<i2").astype(np.float32) / 32768
samples = samples[: len(samples) // 320 * 320]  # whole frames of 20 ms
(features,) = log_mel.run(None, {"waveforms": samples[None]})
logits, embedding = encoder.run(["logits", "embedding"], {"input_features": features})
(score,) = decision.run(["known_score"], {"embedding": embedding})
shares = np.exp(logits[0]) / np.exp(logits[0]).sum()
told = {label: round(float(share), 3) for label, share in zip(about["labels"], shares, strict=True)}
print(json.dumps({"known": bool(score[0] >= about["threshold"]), "probabilities": told}))
