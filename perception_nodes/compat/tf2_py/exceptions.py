"""The exceptions of tf2."""


class TransformException(Exception):  # noqa: N818  (upstream's name)
    """Root of what a transform lookup raises."""


class ConnectivityException(TransformException):
    """The two frames are not in one tree."""


class LookupException(TransformException):
    """A frame does not exist, or the tree has a loop."""


class ExtrapolationException(TransformException):
    """The frames are connected, but not at the requested time."""


class InvalidArgumentException(TransformException):
    """A frame name is empty or begins with a slash, or a transform is not one."""


class TimeoutException(TransformException):
    """A remote lookup took too long (kept for `except` clauses; nothing here raises it)."""
