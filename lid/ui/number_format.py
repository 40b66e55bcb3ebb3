"""Numbers as people write them."""


def percent(probability: float) -> str:
    """A probability in [0, 1] as a percentage. Never 0 % or 100 %, which no model can promise."""
    if probability > 0.995:
        return "> 99 %"
    return "< 1 %" if probability < 0.01 else f"{100 * probability:.0f} %"


def one_decimal(value: float, comma: bool = False) -> str:
    """A number with one decimal; `comma` is the decimal sign of Russian and Uzbek."""
    return f"{value:.1f}".replace(".", ",") if comma else f"{value:.1f}"
