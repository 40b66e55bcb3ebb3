"""The number format, the memory and the processes that a machine gets, and sentences for machines that will not do."""

from collections import namedtuple

import pytest
import torch
from accelerate.state import AcceleratorState

from lid.errors import InputError
from lid.model import precision
from lid.training import hardware

Usage = namedtuple("Usage", "total used free")
CUDA_13 = ["sm_75", "sm_80", "sm_86", "sm_90", "sm_100", "sm_120", "compute_120"]


@pytest.fixture
def fresh():
    """Accelerate keeps its state for the whole process."""
    AcceleratorState._reset_state(True)
    yield
    AcceleratorState._reset_state(True)


def test_a_cpu_trains_in_bfloat16_exactly_where_that_is_native(fresh):
    made = hardware.accelerator(cpu=True)
    native = precision.supports_bf16(torch.device("cpu"))
    assert made.mixed_precision == hardware.fastest_format(cpu=True) == ("bf16" if native else "no")
    assert hardware.format_name(made) == ("bfloat16" if native else "float32")


def test_float32_is_what_one_may_ask_for(fresh):
    assert hardware.format_name(hardware.accelerator(cpu=True, fp32=True)) == "float32"


def test_a_machine_without_a_gpu_is_told_so(fresh, capsys):
    if torch.cuda.is_available():
        pytest.skip("this machine has a GPU")
    hardware.accelerator(cpu=False)
    assert "No GPU that PyTorch can use was found" in capsys.readouterr().out
    AcceleratorState._reset_state(True)
    hardware.accelerator(cpu=True)
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("card", "capability", "runs"),
    [
        ("T4", (7, 5), True),
        ("A100", (8, 0), True),
        ("L4", (8, 9), True),  # by the kernels for 8.6
        ("H100", (9, 0), True),
        ("V100", (7, 0), False),
        ("P100", (6, 0), False),
        ("a card of the future", (13, 0), True),  # compiled when it is first used
    ],
)
def test_a_card_that_pytorch_has_no_kernels_for_is_known_before_the_first_step(card, capability, runs):
    assert hardware.has_kernels(capability, CUDA_13) is runs
    if not runs:
        sentence = hardware.too_old(card, "{}.{}".format(*capability), CUDA_13)
        assert card in sentence
        assert "pip install" in sentence


def test_names_of_special_builds_are_understood():
    assert hardware.has_kernels((9, 0), ["sm_90a"])
    assert not hardware.has_kernels((8, 9), ["sm_90a"])


def test_an_old_driver_is_a_sentence(tmp_path, monkeypatch):
    if torch.cuda.is_available():
        pytest.skip("this machine has a GPU")
    version = tmp_path / "version"
    monkeypatch.setattr(hardware, "DRIVER", version)
    assert hardware.usable_cards() == []
    version.touch()
    with pytest.raises(InputError, match="There is an NVIDIA card, but PyTorch") as raised:
        hardware.usable_cards()
    assert "Update the driver" in str(raised.value)


def test_as_many_clips_as_fit_go_through_at_once():
    tried = []

    def step(clips: int) -> None:
        tried.append(clips)
        if clips > 7:
            raise torch.OutOfMemoryError

    assert hardware.most_at_once(step, 24) == 6
    assert tried == [24, 12, 6]
    assert hardware.most_at_once(step, 5) == 5


def test_a_card_too_small_for_one_clip_is_a_sentence():
    def step(clips: int) -> None:
        raise torch.OutOfMemoryError

    with pytest.raises(InputError, match="Give --gradient-checkpointing"):
        hardware.most_at_once(step, 24)
    assert "--clips-at-once 6:" in hardware.out_of_memory(12)


def test_cores_are_shared_and_one_is_left_to_the_trainer(monkeypatch):
    monkeypatch.setattr(hardware.os, "sched_getaffinity", lambda process: set(range(16)))
    assert hardware.default_workers() == 15
    assert hardware.default_workers(processes=4) == 3
    monkeypatch.setattr(hardware.os, "sched_getaffinity", lambda process: {0})
    assert hardware.default_workers() == 1


def test_batches_find_room_in_shared_memory_or_fewer_are_made_at_once(tmp_path, capsys, monkeypatch):
    assert hardware.fitting_workers(4, 1000, tmp_path / "nowhere") == 4
    monkeypatch.setattr(hardware.shutil, "disk_usage", lambda folder: Usage(0, 0, 64 * 2**20))  # Docker's default
    assert hardware.fitting_workers(4, 1000, tmp_path) == 4
    assert capsys.readouterr().out == ""
    assert hardware.fitting_workers(15, 15 * 10**6, tmp_path) == 0
    assert "--shm-size=8g" in capsys.readouterr().out
    assert hardware.fitting_workers(0, 15 * 10**6, tmp_path) == 0
