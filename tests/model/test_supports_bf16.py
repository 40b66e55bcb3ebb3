"""bfloat16 is used exactly where it is native, and what runs in it stays near float32."""

import torch

from lid.model import precision


def test_products_are_in_bfloat16_where_that_is_native():
    device = torch.device("cpu")
    a, b = torch.randn(8, 16), torch.randn(16, 4)
    with precision.autocast(device):
        product = a @ b
    assert product.dtype == (torch.bfloat16 if precision.supports_bf16(device) else torch.float32)
    torch.testing.assert_close(product.float(), a @ b, rtol=0.05, atol=0.2)
