"""The tree as text, in the layouts that tf2's tools read."""

from collections.abc import Iterator

from .cache import NS_PER_S, FrameCache, seconds_text
from .tree import Caches

_LEAST_SPAN_NS = 100_000


def as_yaml(caches: Caches, authorities: dict[str, str], now_ns: int) -> str:
    """A mapping of frame to what is known about it; `now_ns` 0 leaves out the delay."""
    lines: list[str] = []
    for frame, parent, cache in _edges(caches):
        oldest_ns, newest_ns = cache.span_ns()
        lines += [
            f"{frame}: ",
            f"  parent: '{parent}'",
            f"  broadcaster: '{authorities.get(frame, 'no recorded authority')}'",
            f"  rate: {_rate_hz(cache):.3f}",
            f"  most_recent_transform: {seconds_text(newest_ns)}",
            f"  oldest_transform: {seconds_text(oldest_ns)}",
        ]
        if now_ns:
            lines.append(f"  transform_delay: {(now_ns - newest_ns) / NS_PER_S:.3f}")
        lines.append(f"  buffer_length: {(newest_ns - oldest_ns) / NS_PER_S:.3f}")
    return "".join(f"{line}\n" for line in lines) or "[]"


def as_sentences(caches: Caches) -> str:
    """One sentence a frame."""
    return "".join(f"Frame {frame} exists with parent {parent}.\n" for frame, parent, _ in _edges(caches))


def as_dot(caches: Caches, authorities: dict[str, str]) -> str:
    """A graph for graphviz."""
    lines = [
        f'"{parent}" -> "{frame}"[label="Broadcaster: {authorities.get(frame, "no recorded authority")}\\n'
        f"Average rate: {_rate_hz(cache):.3f}\\n"
        f'Most recent transform: {seconds_text(cache.span_ns()[1])}\\n"];'
        for frame, parent, cache in _edges(caches)
    ]
    return "\n".join(["digraph G {", *(lines or ['"no tf data received"']), "}", ""])


def _edges(caches: Caches) -> Iterator[tuple[str, str, FrameCache]]:
    for frame, cache in caches.items():
        sample = cache.at(0) if cache is not None else None
        if cache is not None and sample is not None:
            yield frame, sample.older.parent, cache


def _rate_hz(cache: FrameCache) -> float:
    oldest_ns, newest_ns = cache.span_ns()
    return len(cache) * NS_PER_S / max(newest_ns - oldest_ns, _LEAST_SPAN_NS)
