"""From Kafka to the live view, and to the bars' topic, beside what the broker takes by itself: percentiles of milliseconds."""

import json
import os
import signal
import socket
import statistics
import subprocess
import time
import urllib.request
import uuid

import measure
from figures import Figure
from kafka import brokers

TIDEMILL = "target/release/tidemill"
BENCH = "target/release/examples/latency_kafka"
PARTITIONS = 2
RATES = (10_000, 50_000, 100_000)
SECONDS = 10
#: How much later the live view may be than a bare consumer, at p99 and this rate.
BEYOND_MS = {50_000: 1.0}
READY_S = 60


def free_port():
    """A port that nobody listens at."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def configuration(address, topic, folder, port):
    """Writes a configuration with a live view at a port; its path."""
    path = f"{folder}/latency.toml"
    with open(path, "w", encoding="utf-8") as file:
        file.write(
            f"""[deployment]
name = "{topic}"
data = "{folder}/store-{topic}"
[observe]
listen = "127.0.0.1:{port}"
live = true
[[source]]
kind = "kafka"
brokers = "{address}"
topics = ["{topic}"]
start = "latest"
lateness = "0s"
[[bars]]
widths = ["1s", "1min", "5min"]
[[indicators]]
widths = ["1min"]
list = ["sma(20)", "ema(12)", "rsi(14)"]
[[sink]]
kind = "kafka"
brokers = "{address}"
prefix = "{topic}."
partitions = 1
"""
        )
    return path


def ready(port, process):
    """Waits until the engine reads."""
    until = time.monotonic() + READY_S
    while time.monotonic() < until and process.poll() is None:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/ready", timeout=5):
                return
        except OSError:
            time.sleep(0.1)
    raise measure.Failed(f"tidemill run was not ready, exit code {process.poll()}")


def once(address, rate, seconds, folder):
    """One run of an engine of its own: what the bench measured."""
    topic = f"latency-{uuid.uuid4().hex[:8]}"
    subprocess.run([BENCH, "make", address, topic, str(PARTITIONS)], check=True)
    port = free_port()
    engine = [TIDEMILL, "run", "--config", configuration(address, topic, folder, port)]
    with open(f"{folder}/latency.log", "wb") as log, subprocess.Popen(engine, stdout=log, stderr=log) as process:
        try:
            ready(port, process)
            where = [topic, str(PARTITIONS), str(rate), str(seconds), f"127.0.0.1:{port}"]
            bars = f"{topic}.aggregated_data_1s"
            return json.loads(measure.run([BENCH, "run", address, *where, bars]).out)
        finally:
            process.send_signal(signal.SIGINT)
            process.wait()


def told(millis):
    """Percentiles in words."""
    return ", ".join("?" if millis[of] is None else f"{millis[of]:.2f}" for of in ("p50", "p99", "p999"))


def figures(runs, seconds, folder):
    """A run's median of each percentile: the live view against a bare consumer, bars against a bare transaction."""
    build = ["cargo", "build", "--release", "--quiet", "--package", "tidemill-kafka", "--example", "latency_kafka"]
    subprocess.run(build, check=True)
    os.makedirs(folder, exist_ok=True)
    address, found = brokers(), []
    for rate in RATES:
        measured = [once(address, rate, seconds, folder) for _ in range(runs)]
        missing = sum(one["missing"] for one in measured)
        if missing:
            raise measure.Failed(f"{missing} trades at {rate}/s never came to the live view")

        def median(what, of, measured=measured):
            return statistics.median(one[what][of] for one in measured)

        def all_of(what, median=median):
            return told({of: median(what, of) for of in ("p50", "p99", "p999")})

        live, bare = (median(what, "p99") for what in ("live_after_ack", "bare_after_ack"))
        detail = f"acknowledged to live {all_of('live_after_ack')}; to a bare consumer {all_of('bare_after_ack')}; "
        detail += f"planned to acknowledged {all_of('acked')}, to live {all_of('live')} (p50, p99, p99.9 in ms)"
        title = f"live view at {rate:,} trades/s, ms beyond at p99"
        found.append(Figure("latency-kafka", title, "bare consumer", live - bare, BEYOND_MS.get(rate), False, detail))
        detail = f"completing trade planned to committed bar {all_of('bar')}; a bare transaction of 1,000 rows {all_of('transaction')}"
        title = f"bar in its topic at {rate:,} trades/s, p99"
        ratio = median("bar", "p99") / median("transaction", "p99")
        found.append(Figure("latency-kafka", title, "bare transaction", ratio, None, False, detail))
    return found
