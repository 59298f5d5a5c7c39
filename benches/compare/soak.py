"""Runs a deployment for a long time at a steady rate and watches what it holds: memory, file descriptors, threads.

usage: scripts/soak [--minutes N] [--rate N] [--symbols N]

A simulated session is streamed into a topic; a deployment reads it, computes bars and indicators and writes them to
Kafka, with checkpoints every five seconds. Unless a rate is given it is half of the top rate, which is measured first:
what the same deployment reads a second while it is fed as fast as feeder, broker and it can go together. Every ten seconds what the system says of its process is
written down. At the end: a table, a picture of the memory, and whether all of it stood still after the warm-up.
"""

import argparse
import glob
import json
import os
import re
import signal
import statistics
import subprocess
import sys
import time
import urllib.request
import uuid

import kafka
import measure
import recovery

EVERY_S = 10
#: The share of the run that memory may take to find its size: the horizon fills, buffers grow.
WARM_UP = 0.25
#: How much the last quarter's memory may be above the first quarter's behind the warm-up.
GROWTH = 1.05
PICTURE_ROWS = 10
FEED = ("--late", "0.011", "--kafka", "compression.type=lz4")
OBSERVED = '[observe]\nlisten = "127.0.0.1:0"\nlevel = "info"\n'


def held(pid):
    """Resident bytes, open file descriptors and threads of a process."""
    with open(f"/proc/{pid}/status", encoding="utf-8") as file:
        fields = dict(line.split(":", 1) for line in file)
    resident = int(fields["VmRSS"].split()[0]) * 1024
    return resident, len(os.listdir(f"/proc/{pid}/fd")), int(fields["Threads"])


def metrics(address):
    """The sums of the counters that a process shows."""
    with urllib.request.urlopen(f"http://{address}/metrics", timeout=EVERY_S) as answer:
        said = answer.read().decode()
    sums = {}
    for line in said.splitlines():
        if line and not line.startswith("#"):
            name, value = line.rsplit(" ", 1)
            name = name.split("{", 1)[0]
            sums[name] = sums.get(name, 0.0) + float(value)
    return sums


def picture(values):
    """A column a sample, as high as its value is near the greatest."""
    top = max(values)
    rows = []
    for row in range(PICTURE_ROWS, 0, -1):
        label = f"{top * row / PICTURE_ROWS / 2**20:6.0f} MiB |"
        rows.append(label + "".join("#" if value >= top * (row - 0.5) / PICTURE_ROWS else " " for value in values))
    return "\n".join(rows)


def thinned(samples, count):
    """At most so many of the samples, evenly."""
    step = max(1, -(-len(samples) // count))
    return samples[::step]


def watch(engine, seconds, address):
    """What the process held, sample by sample, until the time is over."""
    samples, began, before = [], time.monotonic(), -1
    while time.monotonic() - began < seconds:
        time.sleep(EVERY_S)
        if engine.poll() is not None:
            raise measure.Failed(f"the engine ended with {engine.returncode}")
        samples.append((time.monotonic() - began, *held(engine.pid)))
        if len(samples) % 6 == 1:
            at, resident, files, threads = samples[-1]
            used = metrics(address).get("tidemill_records_used_total", 0)
            if used == before:
                raise measure.Failed(f"no trade was used for a minute, {used:,.0f} in all")
            before = used
            print(f"  {at / 60:5.1f} min: {resident / 2**20:.0f} MiB, {files} files, {threads} threads, {used:,.0f} trades used", file=sys.stderr)
    return samples


def verdict(samples):
    """Lines that say what stood still, and whether all did."""
    warm = samples[int(len(samples) * WARM_UP) :]
    third = max(1, len(warm) // 3)
    first, last = warm[:third], warm[-third:]
    before, after = (statistics.median(sample[1] for sample in some) for some in (first, last))
    lines = [f"resident memory: {before / 2**20:.0f} MiB after the warm-up, {after / 2**20:.0f} MiB at the end ({after / before:.3f}, at most {GROWTH})"]
    good = after <= before * GROWTH
    for name, column in (("file descriptors", 2), ("threads", 3)):
        early, late = ([sample[column] for sample in some] for some in (first, last))
        lines.append(f"{name}: {min(early)} to {max(early)} after the warm-up, {min(late)} to {max(late)} at the end")
        # What stays is in the least, what comes and goes (clients that ask the brokers something) in the greatest.
        good &= min(late) <= min(early) and max(late) <= max(early)
    return lines, good


#: How long the top rate is measured, and before that, how long it settles.
TOP_S, TOP_SETTLES_S, TOP_EVERY_S = 20, 10, 1
#: More trades a second than any feeder has.
FASTEST = 10_000_000
#: The topic forgets what was read, or it would fill the disk.
KEPT = "retention.ms=60000,segment.bytes=134217728"


def deployment(path, log, more=()):
    """Starts the engine of a configuration; its process."""
    with open(log, "w", encoding="utf-8") as said:
        return subprocess.Popen([kafka.TIDEMILL, "run", "--config", path, "--workers", "2", *more], stdout=said, stderr=said)


def forgetful(address, topic):
    """Has the topic keep a minute of what it holds."""
    libraries = glob.glob("target/services/kafka-*/libs")[0]
    command = ["java", "-cp", f"{libraries}/*", "kafka.admin.ConfigCommand", "--bootstrap-server", address, "--alter"]
    command += ["--entity-type", "topics", "--entity-name", topic, "--add-config", KEPT]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def feeder(address, topic, folder, rate, seconds, symbols):
    """Starts to feed the topic, as fast as can be where there is no rate; its process."""
    feed = kafka.feed(address, topic, folder, rate or FASTEST, seconds, symbols, FEED, paced=bool(rate))
    with open(f"{folder}/{topic}.log", "w", encoding="utf-8") as said:
        process = subprocess.Popen(feed, stdout=said, stderr=said)
    time.sleep(3)
    forgetful(address, topic)
    return process


def top_rate(address, folder, symbols):
    """Trades a second that the deployment reads while it is fed as fast as can be: the median over seconds."""
    topic = os.path.basename(folder) + "-top"
    ingest = feeder(address, topic, folder, None, 600, symbols)
    path = kafka.configuration(address, topic, "arrow", folder, topic, OBSERVED + recovery.CHECKPOINTS)
    engine, seen = deployment(path, f"{folder}/top.log"), []
    try:
        where = listening(f"{folder}/top.log")
        time.sleep(TOP_SETTLES_S)
        for _ in range(TOP_S):
            time.sleep(TOP_EVERY_S)
            seen.append((time.monotonic(), metrics(where).get("tidemill_records_used_total", 0.0)))
    finally:
        ingest.kill()
        engine.send_signal(signal.SIGINT)
        engine.wait(60)
    return statistics.median((b[1] - a[1]) / (b[0] - a[0]) for a, b in zip(seen, seen[1:]))


def main():
    """Soaks, and ends with 1 when something grew."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--rate", type=int, help="trades a second [default: half of the top rate]")
    parser.add_argument("--symbols", type=int, default=1000)
    options = parser.parse_args()
    address, folder = kafka.brokers(), f"target/bench/soak-{uuid.uuid4().hex[:8]}"
    os.makedirs(folder)
    top = None if options.rate else top_rate(address, folder, options.symbols)
    rate = options.rate or int(top / 2)
    if top:
        print(f"the top rate is {top:,.0f} trades/s; half of it: {rate:,}", file=sys.stderr)
    topic = os.path.basename(folder)
    ingest = feeder(address, topic, folder, rate, (options.minutes + 1) * 60, options.symbols)
    path = kafka.configuration(address, topic, "arrow", folder, topic, OBSERVED + recovery.CHECKPOINTS)
    log = f"{folder}/engine.log"
    try:
        engine = deployment(path, log)
        samples = watch(engine, options.minutes * 60, listening(log))
        used = metrics(listening(log)).get("tidemill_records_used_total", 0)
        engine.send_signal(signal.SIGINT)
        engine.wait(60)
    finally:
        for process in (ingest, engine):
            process.kill()
    lines, good = verdict(samples)
    held = used / (options.minutes * 60)
    of_top = f" (top rate {top:,.0f})" if top else ""
    print(f"{options.minutes:g} minutes at {rate:,} trades/s{of_top}, {held:,.0f}/s read; {options.symbols} symbols, {kafka.PARTITIONS} partitions; load {os.getloadavg()[0]:.1f}\n")
    print(picture([sample[1] for sample in thinned(samples, 100)]))
    print("\n" + "\n".join(lines))
    with open(f"{folder}/samples.json", "w", encoding="utf-8") as file:
        json.dump(samples, file)
    print("nothing grew" if good else "SOMETHING GREW")
    sys.exit(0 if good else 1)


def listening(log):
    """Where the engine serves its metrics, once it says so."""
    for _ in range(600):
        with open(log, encoding="utf-8") as file:
            found = re.search(r"http://([^/]+)/metrics", file.read())
        if found:
            return found.group(1)
        time.sleep(0.1)
    raise measure.Failed(f"{log} does not say where metrics are")


if __name__ == "__main__":
    main()
