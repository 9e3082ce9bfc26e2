"""Ways through the tree of frames."""

from collections.abc import Mapping

from .cache import FrameCache, Sample
from .exceptions import ConnectivityException, ExtrapolationException, LookupException

Caches = dict[str, FrameCache | None]


def path(caches: Caches, target: str, source: str, stamp_ns: int) -> tuple[list[Sample], list[Sample]]:
    """The edges from the source and from the target up to where the two ways meet, at one time.

    Raises:
        LookupException: the tree has a loop.
        ExtrapolationException: an edge on the way has no data at that time.
        ConnectivityException: the ways do not meet.
    """
    from_source: list[Sample] = []
    reached = {source: 0}
    frame, missing = source, None
    while frame != target:
        sample, missing = _step(caches, frame, stamp_ns)
        if sample is None:
            break
        from_source.append(sample)
        frame = sample.older.parent
        if frame in reached:
            raise _loop(frame)
        reached[frame] = len(from_source)

    from_target: list[Sample] = []
    visited = {target}
    frame = target
    while frame not in reached:
        sample, missing_here = _step(caches, frame, stamp_ns)
        if sample is None:
            raise _no_way(target, source, stamp_ns, missing_here or missing)
        from_target.append(sample)
        frame = sample.older.parent
        if frame in visited:
            raise _loop(frame)
        visited.add(frame)
    return from_source[: reached[frame]], from_target


def _step(caches: Caches, frame: str, stamp_ns: int) -> tuple[Sample | None, FrameCache | None]:
    """The edge above a frame; or None and the cache that lacks it (None as well at a root)."""
    cache = caches.get(frame)
    if cache is None:
        return None, None
    sample = cache.at(stamp_ns)
    return sample, None if sample else cache


def common_time(caches: Caches, target: str, source: str) -> int:
    """The newest stamp (ns) at which every edge between the frames has data; 0 where all are static.

    Raises:
        LookupException: the tree has a loop.
        ConnectivityException: the frames are not connected.
    """
    if target == source:
        cache = caches.get(source)
        return 0 if cache is None else cache.span_ns()[1]
    above_source = _ancestors(caches, source)
    above_target = _ancestors(caches, target)
    for frame, from_target in above_target.items():
        from_source = above_source.get(frame)
        if from_source is not None:
            stamps = [stamp for stamp in (from_source, from_target) if stamp != _ALWAYS]
            return min(stamps, default=0)
    raise _no_way(target, source, 0, None)


_ALWAYS = -1


def _ancestors(caches: Mapping[str, FrameCache | None], frame: str) -> dict[str, int]:
    """Each frame on the way up, with the newest stamp at which the way to it is known (_ALWAYS: static)."""
    result = {frame: _ALWAYS}
    stamp = _ALWAYS
    while (cache := caches.get(frame)) is not None and (sample := cache.at(0)) is not None:
        if not cache.is_static:
            newest = cache.span_ns()[1]
            stamp = newest if stamp == _ALWAYS else min(stamp, newest)
        frame = sample.older.parent
        if frame in result:
            raise _loop(frame)
        result[frame] = stamp
    return result


def _loop(frame: str) -> LookupException:
    return LookupException(f'The tf tree is invalid because it contains a loop at frame "{frame}".')


def _no_way(target: str, source: str, stamp_ns: int, missing: FrameCache | None) -> Exception:
    if missing is None:
        return ConnectivityException(
            f"Could not find a connection between '{target}' and '{source}' because they are not part of the same "
            "tree. Tf has two or more unconnected trees."
        )
    return ExtrapolationException(
        f"{missing.explain(stamp_ns)}, when looking up transform from frame [{source}] to frame [{target}]"
    )
