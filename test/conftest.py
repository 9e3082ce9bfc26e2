"""What every test can use: the seed, the shared recordings, and ROS kept to this host and to one test."""

from __future__ import annotations

import fcntl
import os
import random
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

import hypothesis
import numpy as np
import pytest

from . import shared_memory as memory

LOG_DIR = Path(tempfile.mkdtemp(prefix="perception_test_log_"))
# Before anything imports rclpy; node processes that tests start inherit it.
os.environ.update(
    ROS_AUTOMATIC_DISCOVERY_RANGE="LOCALHOST",
    ROS_PYTHON_CHECK_FIELDS="1",  # without it a field of a wrong type is published as garbage
    ROS_LOG_DIR=str(LOG_DIR),
)
os.environ.pop("ROS_STATIC_PEERS", None)
FIRST_DOMAIN, LAST_DOMAIN = 1, 101  # those whose ports lie below Linux's ephemeral ones
COMPILE_S = 1800.0
# No property is about time, and on a busy machine drawing an example may take long. What failed is printed whole.
SLOW = [hypothesis.HealthCheck.too_slow]
hypothesis.settings.register_profile("untimed", deadline=None, print_blob=True, suppress_health_check=SLOW)
hypothesis.settings.load_profile("untimed")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--seed", type=int, default=None, help="seed of the fixture rng (default: drawn and printed)"
    )


def pytest_configure(config: pytest.Config) -> None:
    if config.getoption("--seed") is None:
        config.option.seed = random.SystemRandom().randrange(2**31)


def pytest_report_header(config: pytest.Config) -> str:
    return f"seed: {config.getoption('--seed')} (repeat with --seed)"


def pytest_unconfigure() -> None:
    shutil.rmtree(LOG_DIR, ignore_errors=True)


@pytest.fixture
def seed(request: pytest.FixtureRequest) -> int:
    """Seed of this run, printed into the report of a test that fails."""
    value: int = request.config.getoption("--seed")
    print(f"seed: {value}")
    return value


@pytest.fixture
def rng(seed: int) -> np.random.Generator:
    """Random numbers from the printed seed."""
    return np.random.default_rng(seed)


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Folder of the recordings beside the checkout, or PERCEPTION_SHARED_DATA; the test is skipped without them."""
    default = Path(__file__).resolve().parents[2] / "shared" / "data"
    folder = Path(os.environ.get("PERCEPTION_SHARED_DATA", default))
    if not folder.is_dir():
        pytest.skip(f"no recordings at {folder} (PERCEPTION_SHARED_DATA names another place)")
    return folder


@contextmanager
def free_domain() -> Iterator[int]:
    """A ROS domain that no other test on this host uses meanwhile."""
    domains = list(range(FIRST_DOMAIN, LAST_DOMAIN + 1))
    random.SystemRandom().shuffle(domains)
    for domain in domains:
        with Path(tempfile.gettempdir(), f"perception_test_domain_{domain}.lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                continue
            yield domain
            return
    pytest.fail(f"all ROS domains from {FIRST_DOMAIN} to {LAST_DOMAIN} are in use by other tests")


@pytest.fixture
def domain_id(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """ROS domain that nothing else on this host uses while the test runs, also set for processes it starts."""
    with free_domain() as domain:
        monkeypatch.setenv("ROS_DOMAIN_ID", str(domain))
        yield domain


@pytest.fixture
def shared_memory() -> ModuleType:
    """Tells what processes have in shared memory."""
    return memory


def pytest_collection_finish(session: pytest.Session) -> None:
    """Compile what nodes compile, before the first test and outside its time limit."""
    starts = any("domain_id" in getattr(item, "fixturenames", ()) for item in session.items)
    if starts and not session.config.option.collectonly:
        root = Path(__file__).resolve().parents[1]
        with free_domain() as domain:
            environment = {**os.environ, "ROS_DOMAIN_ID": str(domain), "PYTHONPATH": str(root)}
            command = [sys.executable, str(root / "test" / "kernels.py")]
            subprocess.run(command, env=environment, check=True, timeout=COMPILE_S, stderr=subprocess.DEVNULL)
