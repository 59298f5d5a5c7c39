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
from kafka import brokers, example

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


def configuration(address, topic, folder, port, what):
    """Writes a configuration for the live view at a port, or for bars of a second; its path."""
    # A checkpoint stops a worker for a while, which is measured by itself.
    widths, every = ('"1min", "5min"', "1h") if what == "live" else ('"1s", "1min"', "5s")
    path = f"{folder}/latency.toml"
    with open(path, "w", encoding="utf-8") as file:
        file.write(
            f"""[deployment]
name = "{topic}"
data = "{folder}/store-{topic}"
[cluster]
checkpoints = {{ every = "{every}" }}
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
widths = [{widths}]
[[indicators]]
widths = ["1min"]
list = ["sma(20)", "ema(12)", "rsi(14)"]
[[sink]]
kind = "kafka"
brokers = "{address}"
topics_prefix = "{topic}."
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


def once(what, address, rate, seconds, folder):
    """One run of an engine of its own, for the live view or for bars: what the bench measured."""
    topic = f"latency-{uuid.uuid4().hex[:8]}"
    subprocess.run([BENCH, "make", address, topic, str(PARTITIONS)], check=True)
    port = free_port()
    engine = [TIDEMILL, "run", "--config", configuration(address, topic, folder, port, what)]
    with open(f"{folder}/latency.log", "wb") as log, subprocess.Popen(engine, stdout=log, stderr=log) as process:
        try:
            ready(port, process)
            where = f"127.0.0.1:{port}" if what == "live" else f"{topic}.aggregated_data_1s"
            flags = [topic, str(PARTITIONS), str(rate), str(seconds), where]
            return json.loads(measure.run([BENCH, what, address, *flags]).out)
        finally:
            process.send_signal(signal.SIGINT)
            process.wait()


def told(millis):
    """Percentiles in words."""
    return ", ".join(f"{millis[of]:.2f}" for of in ("p50", "p99", "p999"))


def medians(runs):
    """Of several runs the median of each percentile."""
    of = lambda what, part: statistics.median(one[what][part] for one in runs)
    names = [what for what in runs[0] if what != "missing"]
    found = {what: {part: of(what, part) for part in ("p50", "p99", "p999")} for what in names}
    return found | {"missing": sum(one.get("missing", 0) for one in runs)}


def figures(runs, seconds, folder):
    """The live view against a bare consumer, bars against a bare transaction."""
    example("latency_kafka")
    os.makedirs(folder, exist_ok=True)
    address, found = brokers(), []
    for rate in RATES:
        live = medians([once("live", address, rate, seconds, folder) for _ in range(runs)])
        bars = medians([once("bars", address, rate, seconds, folder) for _ in range(runs)])
        if live["missing"]:
            raise measure.Failed(f"{live['missing']} trades at {rate}/s never came to the live view")
        ours, bare = live["live_after_ack"], live["bare_after_ack"]
        detail = f"acknowledged to live {told(ours)}; to a bare consumer {told(bare)}; the two apart {told(live['live_after_bare'])}; "
        detail += f"planned to acknowledged {told(live['acked'])}, to live {told(live['live'])} (p50, p99, p99.9 in ms)"
        title = f"live view at {rate:,} trades/s, ms beyond at p99"
        beyond = ours["p99"] - bare["p99"]
        found.append(Figure("latency-kafka", title, "bare consumer", beyond, BEYOND_MS.get(rate), False, detail))
        detail = f"completing trade planned to bar read {told(bars['bar'])}; a bare transaction of 1,000 rows {told(bars['transaction'])}; "
        detail += f"the trade planned to acknowledged {told(bars['acked'])}"
        title = f"bar in its topic at {rate:,} trades/s, p50"
        ratio = bars["bar"]["p50"] / bars["transaction"]["p50"]
        found.append(Figure("latency-kafka", title, "bare transaction", ratio, None, False, detail))
    return found
