"""Numbers as people read them."""

__all__ = ["bytes_text", "count", "label", "percent", "seconds_text"]


def count(value: float) -> str:
    """12,345"""
    return f"{value:,.0f}"


def percent(part: float, whole: float) -> str:
    """12.3 %"""
    return f"{100 * part / whole:.1f} %" if whole else "-"


def bytes_text(value: float) -> str:
    """1.5 KiB, not to be broken."""
    for unit in ("B", "KiB", "MiB", "GiB"):
        if abs(value) < 1024 or unit == "GiB":
            break
        value /= 1024
    return f"{value:,.4g}\u00a0{unit}" if unit != "B" else f"{value:,.0f}\u00a0B"


def seconds_text(value: float) -> str:
    """9.76 µs"""
    for unit, factor in (("s", 1.0), ("ms", 1e3), ("µs", 1e6)):
        if value * factor >= 1:
            return f"{value * factor:.4g} {unit}"
    return f"{value * 1e9:.4g} ns"


def label(name: str) -> str:
    """A member's name in words: dma_load is "DMA load"."""
    first, *rest = name.lower().split("_")
    return " ".join([first.upper() if first in ("dma", "sbuf", "psum") else first, *rest])
