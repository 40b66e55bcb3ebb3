"""What this machine can do: which number format, how many clips at once, how many processes make batches.

Cards from Ampere on multiply in bfloat16, which has the range of float32. Older ones, such as T4 and V100, have float16
alone: small gradients vanish in it unless the loss is scaled up, which Accelerate's gradient scaler does.
"""

import os
import shutil
from collections.abc import Callable, Iterable, Sequence
from datetime import timedelta
from pathlib import Path

import torch
from accelerate import Accelerator
from accelerate.utils import InitProcessGroupKwargs

from lid.errors import InputError
from lid.model import precision

PREFETCH = 4  # batches that each worker makes ahead
DRIVER = Path("/proc/driver/nvidia/version")  # is there wherever NVIDIA's driver is


def accelerator(cpu: bool, fp32: bool = False, **options) -> Accelerator:
    """Accelerate in the fastest number format that all devices have; `options` are its own. It says what it found.

    Sets up this process for training, TF32 included. Raises InputError for cards that PyTorch cannot use here.
    """
    cards = [] if cpu else usable_cards()
    patient = InitProcessGroupKwargs(timeout=timedelta(days=7))  # the others wait while one process streams the data
    number_format = "no" if fp32 else fastest_format(cpu)
    made = Accelerator(cpu=cpu, mixed_precision=number_format, kwargs_handlers=[patient], **options)
    if made.device.type == "cuda":
        torch.set_float32_matmul_precision("high")  # what stays float32 is multiplied in TF32
    if cards:
        made.print(f"{', '.join(cards)}: training in {format_name(made)}.")
        if len(set(cards)) > 1:
            made.print("The cards differ: each step takes as long as the slowest needs, in a format that all have.")
    elif not cpu:
        made.print(
            f"No GPU that PyTorch can use was found: training on the CPU, in {format_name(made)}. That suits "
            "whisper-base; whisper-medium would take weeks."
        )
    return made


def fastest_format(cpu: bool = False) -> str:
    """Accelerate's name for it: "bf16" where all devices have bfloat16, "fp16" on other cards, else "no": float32."""
    if not cpu and torch.cuda.is_available():
        devices = [torch.device("cuda", number) for number in range(torch.cuda.device_count())]
        return "bf16" if all(map(precision.supports_bf16, devices)) else "fp16"
    on_cpu = cpu or not torch.backends.mps.is_available()
    return "bf16" if on_cpu and precision.supports_bf16(torch.device("cpu")) else "no"


def autocast(device: torch.device) -> torch.autocast:
    """A context in which a trained model's products are in the fastest format that this device has."""
    half = torch.bfloat16 if precision.supports_bf16(device) else torch.float16
    return torch.autocast(device.type, half, enabled=device.type == "cuda" or precision.supports_bf16(device))


def for_evaluation(device: torch.device) -> str:
    """Where to measure a model that was trained on this device: on the card, or else on the CPU."""
    return str(device) if device.type == "cuda" else "cpu"


def format_name(accelerator: Accelerator) -> str:
    """The number format in which products are made, as PyTorch calls it."""
    return {"bf16": "bfloat16", "fp16": "float16"}.get(accelerator.mixed_precision, "float32")


def usable_cards() -> list[str]:
    """Names of NVIDIA's cards here; none where there is no such card.

    Raises InputError where there is one that this PyTorch cannot use: its driver is too old, or the card itself.
    """
    if torch.cuda.is_available():
        known = torch.cuda.get_arch_list()
        cards = [torch.cuda.get_device_properties(number) for number in range(torch.cuda.device_count())]
        for card in cards:
            if not has_kernels((card.major, card.minor), known):
                raise InputError(too_old(card.name, f"{card.major}.{card.minor}", known), "card")
        return [f"{card.name} ({card.total_memory / 2**30:.0f} GB)" for card in cards]
    if DRIVER.exists():
        try:
            torch.cuda.init()
        except (RuntimeError, AssertionError) as error:
            raise InputError(unusable_driver(str(error)), "driver") from error
    return []


def has_kernels(capability: tuple[int, int], architectures: Iterable[str]) -> bool:
    """Whether a PyTorch built for `architectures` ("sm_75", "compute_90", ...) runs on a card of this compute
    capability: kernels run on their own generation from their own version on; "compute" is compiled for newer ones."""
    for one in architectures:
        kind, _, number = one.partition("_")
        digits = "".join(filter(str.isdigit, number))
        built = int(digits[:-1]), int(digits[-1])
        if built <= capability and (kind == "compute" or built[0] == capability[0]):
            return True
    return False


def too_old(card: str, capability: str, architectures: Sequence[str]) -> str:
    """The sentence for a card that this PyTorch has no kernels for."""
    return (
        f"{card} has compute capability {capability}, and PyTorch {torch.__version__} is built for "
        f"{', '.join(architectures)}. Install one for CUDA 12.6, which still has older cards: pip install "
        "'torch==2.9.*' 'torchaudio==2.9.*' --index-url https://download.pytorch.org/whl/cu126. Or give --cpu."
    )


def unusable_driver(reason: str) -> str:
    """The sentence for an NVIDIA driver that PyTorch, for this reason of its own, does not work with."""
    return (
        f"There is an NVIDIA card, but PyTorch {torch.__version__} cannot use it: {reason.rstrip('. ')}. Update the "
        "driver, or install a PyTorch for the CUDA version that `nvidia-smi` shows. Or give --cpu."
    )


def default_workers(processes: int = 1) -> int:
    """How many processes make batches for each of so many that train: all cores but one (two, of two), shared evenly.

    A core makes 20 to 40 clips a second with all augmentation. whisper-medium can take 60 a second on a T4 and 280 on
    an A100 (worked out by benchmarks/gpu_training.py): about what the machines make that such cards are rented with.
    """
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, max(cores - 1, min(cores, 2)) // processes)


def fitting_workers(workers: int, batch_bytes: int, shared: Path = Path("/dev/shm")) -> int:
    """As many of these workers as have room for their batches in `shared`, through which processes hand them over.

    Containers get 64 MB of it unless they are told otherwise, and a worker that finds none is killed without a word.
    """
    if not workers or not shared.is_dir():
        return workers
    fitting = int(shutil.disk_usage(shared).free // (2 * PREFETCH * batch_bytes))  # made, and being trained on
    if fitting < workers:
        print(
            f"{shared} has room for the batches of {fitting} processes, so {workers} are not started. A container gets "
            "more by --shm-size=8g."
        )
    return min(workers, fitting)


def most_at_once(step: Callable[[int], None], clips: int) -> int:
    """How many of `clips` go through the device together: all, or a half, a quarter ... of them, the first for which
    `step`, a training step on so many of the longest clips, does not run out of memory. Raises InputError if even one
    is too many."""
    while True:
        try:
            step(clips)
            return clips
        except torch.OutOfMemoryError as error:
            if clips == 1:
                raise InputError(out_of_memory(1), "memory") from error
        torch.cuda.empty_cache()
        clips = -(-clips // 2)


def out_of_memory(clips: int) -> str:
    """What to try where so many clips at once were too many."""
    if clips > 1:
        return (
            f"The card's memory did not hold {clips} clips at once. Give the same command with --clips-at-once "
            f"{-(-clips // 2)}: it goes on where it was and comes to the same result."
        )
    return (
        "The card's memory does not hold a single clip. Give --gradient-checkpointing; if that was given, a shorter "
        "--window, fewer --layers, or a smaller --base-model such as openai/whisper-small."
    )
