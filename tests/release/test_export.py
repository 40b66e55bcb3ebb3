"""`lid export`: the graphs of a checkpoint, and their agreement with PyTorch."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from transformers import WhisperConfig, WhisperForAudioClassification

from lid import InputError, LanguageIdentifier
from lid.languages import CODES
from lid.model import checksums, graphs, onnx, whisper
from lid.model.onnx import OnnxModel
from lid.model.whisper import TorchModel
from lid.release import export
from tests.conftest import MODEL, no_room
from tests.recordings import voice


@pytest.fixture
def folder(tmp_path) -> Path:
    """The embedded checkpoint without its graphs."""
    return shutil.copytree(MODEL, tmp_path / "model", ignore=shutil.ignore_patterns("onnx"))


def test_the_committed_graphs_are_what_the_command_makes(folder, capsys):
    assert export.main([str(folder)]) == 0
    assert f"{onnx.QUANTISED}: 18" in capsys.readouterr().out
    for name in onnx.SERVED:
        assert (folder / "onnx" / name).read_bytes() == (Path(MODEL) / "onnx" / name).read_bytes(), name
    assert json.loads((folder / "manifest.json").read_text()) == json.loads((Path(MODEL) / "manifest.json").read_text())


def test_the_exact_graph_is_the_model(folder):
    export.export(folder, exact=True)
    exact = (folder / "onnx" / onnx.EXACT).read_bytes()
    log_mel = (folder / "onnx" / onnx.LOG_MEL).read_bytes()
    spoken = voice("ru", 4)[None, :64_000]
    graph = OnnxModel(exact, log_mel).hear(spoken)
    torch = TorchModel(whisper.load(folder)).hear(spoken)
    for one, other in zip(graph, torch, strict=True):
        np.testing.assert_allclose(one, other, atol=2e-3)


@pytest.mark.parametrize(
    "shape",
    [
        {"num_mel_bins": 128, "d_model": 32, "encoder_attention_heads": 2},  # as large-v3 hears
        {"num_mel_bins": 80, "d_model": 24, "encoder_attention_heads": 3, "use_weighted_layer_sum": True},
    ],
)
def test_every_shape_of_whisper_agrees_with_pytorch(shape):
    config = WhisperConfig(
        encoder_layers=3,
        encoder_ffn_dim=64,
        max_source_positions=100,
        classifier_proj_size=16,
        id2label=dict(enumerate(CODES)),
        **shape,
    )
    model = WhisperForAudioClassification(config)
    sound = np.random.default_rng(0).normal(0, 0.1, (2, 16_000)).astype(np.float32)
    torch = TorchModel(model)
    for quantised, tolerance in ((False, 2e-3), (True, 0.05)):
        graph = OnnxModel(*graphs.of(model, quantised))
        assert (graph.layers, graph.heads, graph.width) == (torch.layers, torch.heads, torch.width)
        for one, other in zip(graph.hear(sound), torch.hear(sound), strict=True):
            np.testing.assert_allclose(one, other, atol=tolerance)
        for layer in range(3):
            attention = graph.attention(sound[0], layer)
            np.testing.assert_allclose(attention, torch.attention(sound[0], layer), atol=0.02)


def test_a_temperature_beside_a_checkpoint_goes_into_the_graph(folder):
    (folder / "background.safetensors").unlink()
    (folder / "calibration.json").write_text('{"temperature": 2.0}')
    checksums.write(folder)
    export.export(folder)
    plain, cooled = (LanguageIdentifier.load(place).identify(voice("en", 4)) for place in (MODEL, folder))
    np.testing.assert_allclose(cooled.logits, plain.logits / 2, atol=0.05)
    assert (plain.known, cooled.known) == (True, None)


def test_other_labels_are_refused(folder):
    config = (folder / "config.json").read_text()
    (folder / "config.json").write_text(config.replace('"uz"', '"kk"'))
    with pytest.raises(InputError, match=r"config\.json differs"):
        export.export(folder)
    checksums.write(folder)
    with pytest.raises(InputError, match="not the three languages"):
        export.export(folder)


def test_a_full_disk_is_a_sentence_and_leaves_no_half_graph(folder):
    with no_room(), pytest.raises(InputError, match="Make room"):
        export.export(folder)
    assert not list((folder / "onnx").glob("*.onnx"))
    export.export(folder)
    assert LanguageIdentifier.load(folder)


def test_no_folder_and_no_checkpoint_are_a_sentence(tmp_path, capsys):
    assert export.main([str(tmp_path / "nowhere")]) == 1
    assert "lid export: No model could be loaded from" in capsys.readouterr().err
