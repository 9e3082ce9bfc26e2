"""What threads note of their work belongs to the session in which the work was begun."""

from __future__ import annotations

import threading

from perception_nodes.ros.session import Session

TIMEOUT_S = 60.0


def test_a_session_lasts_until_the_next_begins() -> None:
    session, restarted = Session(), []
    first = session.number
    with session.lasting(first) as lasts:
        assert lasts
    session.begin(lambda: restarted.append(session.number))
    assert session.number != first and restarted == [session.number]
    with session.lasting(first) as lasts:
        assert not lasts


def test_a_session_does_not_end_while_something_is_noted_in_it() -> None:
    session, count = Session(), [5]
    began = threading.Event()

    def jump() -> None:
        began.set()
        session.begin(count.clear)

    with session.lasting(session.number) as lasts:
        thread = threading.Thread(target=jump)
        thread.start()
        assert began.wait(TIMEOUT_S) and lasts
        thread.join(0.1)
        assert count == [5]
    thread.join(TIMEOUT_S)
    assert count == []
