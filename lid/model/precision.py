"""Which number format PyTorch multiplies in while it trains and measures: bfloat16 where that is native."""

import torch


def supports_bf16(device: torch.device) -> bool:
    """Whether this GPU, or this machine's CPU by AVX512-BF16 or AMX, has instructions for bfloat16."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    tests = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")  # PyTorch has no public way to ask
    return any(getattr(torch.cpu, test, lambda: False)() for test in tests)


def autocast(device: torch.device) -> torch.autocast:
    """A context in which products are in bfloat16 where that is native, and in float32 elsewhere."""
    return torch.autocast(device.type, torch.bfloat16, enabled=supports_bf16(device))
