"""What a process says when another one has ended."""

from __future__ import annotations

import os
import re
import signal

import pytest

from odconv_training import Processes, TrainingError, noticing_loss

SIGNS = re.compile("connection closed", re.IGNORECASE)
MESSAGE = r"process 1 of 3 stopped: another process .* --resume to continue"


@pytest.fixture(autouse=True)
def _handler():
    before = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, before)


def test_the_only_process_writes_and_computes_everything():
    alone = Processes()
    assert alone.writes
    assert alone.share([4, 2, 7]).tolist() == [4, 2, 7]
    assert alone.total([1, 2]).tolist() == [1.0, 2.0]
    assert alone.from_first("a") == "a"
    assert not Processes(1, 2).writes
    assert Processes(1, 2).share([4, 2, 7]).tolist() == [7]


def test_a_lost_connection_is_one_error():
    with pytest.raises(TrainingError, match=MESSAGE), noticing_loss(Processes(1, 3), SIGNS):
        raise RuntimeError("[gloo] Connection closed by peer")


def test_another_error_stays():
    with pytest.raises(RuntimeError, match="shapes"), noticing_loss(Processes(1, 3), SIGNS):
        raise RuntimeError("shapes do not match")


def test_the_signal_of_a_launcher_is_the_same_error():
    with pytest.raises(TrainingError, match=MESSAGE), noticing_loss(Processes(1, 3), SIGNS):
        os.kill(os.getpid(), signal.SIGTERM)
        signal.pause()
