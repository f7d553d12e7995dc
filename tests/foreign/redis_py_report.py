"""A plugin of pytest: one line for each test, with what came of it, in the file RINGKV_REPORT."""

import os
import tracemalloc

import pytest

outcomes = {}


@pytest.fixture(autouse=True)
def no_tracemalloc():
    """The suite traces every allocation, which makes it several times slower."""
    tracemalloc.stop()
    yield


def pytest_runtest_logreport(report):
    outcome = report.outcome
    if report.when != "call" and outcome == "passed":
        return
    known = outcomes.get(report.nodeid)
    if known != "failed":
        outcomes[report.nodeid] = outcome


def pytest_sessionfinish():
    with open(os.environ["RINGKV_REPORT"], "w", encoding="utf-8") as file:
        for name in sorted(outcomes):
            print(outcomes[name], name, file=file)
