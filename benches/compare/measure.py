"""Runs commands one after the other and tells what each cost: wall time, CPU time, peak memory."""

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass


class Failed(Exception):
    """A command that did not end with 0."""


@dataclass
class Cost:
    """What a run cost: seconds, seconds of user and system time, bytes."""

    wall: float
    cpu: float
    memory: int
    out: str


def run(command, inside=False):
    """Runs a command. With `inside`, wall and CPU are what the command itself prints as JSON."""
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        began = time.perf_counter()
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out, stderr=err)
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.perf_counter() - began
        process.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0)
        err.seek(0)
        text = out.read().decode(errors="replace")
        if process.returncode != 0:
            tail = (text + err.read().decode(errors="replace"))[-2000:]
            raise Failed(f"exit code {process.returncode}: {' '.join(map(str, command))}\n{tail}")
    if inside:
        costs = json.loads(text)
        return Cost(costs["wall"], costs["cpu"], usage.ru_maxrss * 1024, text)
    return Cost(wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024, text)


def alternate(contestants, runs):
    """Runs each once to warm up, then all in turn `runs` times; the median cost of each by name.

    A contestant is a function that runs and returns its cost, so that it can tidy up in between. Turns go forth and
    back, so that neither gains from a machine that slows down or speeds up.
    """
    costs = {name: [] for name in contestants}
    for contestant in contestants.values():
        contestant()
    names = list(contestants)
    for turn in range(runs):
        for name in names if turn % 2 == 0 else reversed(names):
            costs[name].append(contestants[name]())
            print(f"  {name}: {costs[name][-1].wall:.2f} s, CPU {costs[name][-1].cpu:.2f} s", file=sys.stderr)
    return {name: median(all_costs) for name, all_costs in costs.items()}


def median(costs):
    """The medians, each quantity by itself."""

    def of(quantity):
        return statistics.median(getattr(cost, quantity) for cost in costs)

    return Cost(of("wall"), of("cpu"), int(of("memory")), costs[-1].out)
