"""Numbers as people write them."""


def percent(probability: float) -> str:
    """A probability in [0, 1] as a percentage. Never 0 % or 100 %, which no model can promise."""
    if probability > 0.995:
        return "> 99 %"
    return "< 1 %" if probability < 0.01 else f"{100 * probability:.0f} %"


def share(part: float) -> str:
    """A part of a whole, in [0, 1], as a percentage. It is counted, so it may be 0 % or 100 %."""
    return f"{100 * part:.0f} %"


def one_decimal(value: float, comma: bool = False) -> str:
    """A number with one decimal; `comma` is the decimal sign of Russian and Uzbek."""
    return f"{value:.1f}".replace(".", ",") if comma else f"{value:.1f}"


def clock(seconds: float) -> str:
    """A time as players show it: 5:00, or 1:05:00 from an hour on."""
    whole = int(seconds)
    hours, minutes = whole // 3600, whole // 60 % 60
    return f"{hours}:{minutes:02}:{whole % 60:02}" if hours else f"{minutes}:{whole % 60:02}"
