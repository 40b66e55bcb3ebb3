"""The benchmark for a card that somebody rents: all of it runs, at miniature size and on a CPU."""

import json

import pytest
from accelerate.state import AcceleratorState

from benchmarks import gpu_training

pytestmark = pytest.mark.slow


@pytest.fixture
def fresh():
    """Accelerate keeps its state for the whole process."""
    yield
    AcceleratorState._reset_state(True)


def test_every_number_is_there(tmp_path, fresh, capsys):
    file = tmp_path / "numbers.json"
    gpu_training.main(["--cpu", "--shape", "tiny", "--seconds", "0", "--dollars", "2", "--output", str(file)])
    found = json.loads(file.read_text())
    for one in found["formats"]:
        assert one["format"] == "float32"
        assert one["steps_a_second"] > 0
        assert one["share_of_peak"] > 0
    plain, checkpointing = (one["teraflop_a_step"] for one in found["formats"])
    assert checkpointing > 1.1 * plain  # activations are computed twice
    assert found["resumed_loss_difference"] == 0
    assert found["with_loader"]["clips_a_second"] > 0
    assert 0 <= found["with_loader"]["share_waited"] <= 1
    assert found["dollars"] == pytest.approx(2 * found["hours"], abs=0.02)
    cards = found["cards"]
    assert cards["H100 80 GB"]["clips_a_second"] > cards["A100 80 GB"]["clips_a_second"] > cards["T4"]["clips_a_second"]


def test_without_a_card_its_speed_is_worked_out(tmp_path, fresh):
    file = tmp_path / "numbers.json"
    gpu_training.main(["--worked-out", "--shape", "tiny", "--seconds", "0", "--output", str(file)])
    found = json.loads(file.read_text())
    assert found["memory"]["gb_a_clip"] > 0
    rates = [card["clips_a_second"] for card in found["cards"].values()]
    assert rates == pytest.approx([rates[0] * peak / 65e12 for _, peak in gpu_training.CARDS.values()], rel=0.01)
    assert found["loader_clips_a_core_second"] > 0


def test_more_memory_holds_more_clips():
    memory = {"gb_a_clip": 1.0, "gb_fixed": 2.0}
    fitting = [gpu_training.worked_out(gigabytes, 1e14, 10.0, memory) for gigabytes in (3, 16, 24, 80)]
    assert [one["clips_at_once"] for one in fitting] == [0, 12, 20, 24]
    assert fitting[0]["hours"] == pytest.approx(8000 * 10e12 / (1e14 * gpu_training.UTILISATION) / 3600, abs=0.01)
