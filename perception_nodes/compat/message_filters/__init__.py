"""Drop-in for `message_filters`: subscriber, cache, chain and the two synchronisers."""

from .cache import Cache
from .simple import Chain, SimpleFilter, Subscriber
from .synchronizers import ApproximateTimeSynchronizer, TimeSynchronizer

__all__ = ["ApproximateTimeSynchronizer", "Cache", "Chain", "SimpleFilter", "Subscriber", "TimeSynchronizer"]
