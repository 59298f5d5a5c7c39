"""How long a deployment that is killed writes nothing: from SIGKILL to the first new record in an output topic."""

import os
import re
import signal
import statistics
import subprocess
import threading
import time
import uuid

import kafka
import measure
from figures import Figure

SYMBOLS = 10_000
#: Trades a second, and seconds that the session of six and a half hours takes at that.
RATE, SECONDS = 20_000, 300
#: A run that is gone commits nothing more; what it committed is read by then.
SETTLED_S = 0.3
WAIT_S = 120
CHECKPOINTS = '[cluster]\ncheckpoints = { every = "5s" }\n'


class Tail:
    """Reads an output topic and knows when a record came last."""

    def __init__(self, address, topic):
        command = [kafka.TIDEMILL, "tail", topic, "--brokers", address, "--json"]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        self.came = threading.Event()
        self.last = 0.0
        threading.Thread(target=self.read, daemon=True).start()

    def read(self):
        """Until the process ends."""
        while os.read(self.process.stdout.fileno(), 1 << 20):
            self.last = time.monotonic()
            self.came.set()

    def next(self, seconds):
        """When the next record comes."""
        self.came.clear()
        if not self.came.wait(seconds):
            raise measure.Failed(f"no record came within {seconds} s")
        return self.last


def started(log):
    """The process that the supervisor started last."""
    with open(log, encoding="utf-8") as file:
        found = re.findall(r"started, pid (\d+)", file.read())
    return int(found[-1]) if found else None


def figures(runs, folder):
    """Kills the process of a supervised deployment `runs` times."""
    address, name = kafka.brokers(), f"recovery-{uuid.uuid4().hex[:8]}"
    feed = kafka.feed(address, name, folder, RATE, SECONDS, SYMBOLS)
    path = kafka.configuration(address, name, "arrow", folder, name, CHECKPOINTS)
    log, processes, gaps = f"{folder}/{name}.log", [], []
    try:
        with open(log, "w", encoding="utf-8") as said:
            processes.append(subprocess.Popen(feed, stdout=subprocess.DEVNULL, stderr=said))
            time.sleep(3)
            processes.append(subprocess.Popen([kafka.TIDEMILL, "up", "--config", path], stdout=said, stderr=said))
        # The topic is there once there is a row.
        time.sleep(15)
        tail = Tail(address, f"{name}.{kafka.TOPICS[0]}")
        processes.append(tail.process)
        for _ in range(runs):
            tail.next(WAIT_S)
            time.sleep(12)
            killed = time.monotonic()
            os.kill(started(log), signal.SIGKILL)
            time.sleep(SETTLED_S)
            gaps.append(tail.next(WAIT_S) - killed)
    finally:
        for process in reversed(processes):
            process.send_signal(signal.SIGINT)
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()
    detail = f"{min(gaps):.1f} to {max(gaps):.1f} s, 0.1 to 0.4 s of it the supervisor's wait; {RATE:,} trades/s, a checkpoint every 5 s; load {os.getloadavg()[0]:.1f}"
    return [Figure("recovery", f"kill to the first new record, {SYMBOLS:,} symbols", "1 s", statistics.median(gaps), 5, False, detail)]
