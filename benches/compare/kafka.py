"""From Kafka to Kafka beside what one would write by hand: figures of CPU time, and trades a second a core."""

import json
import os
import re
import subprocess
import uuid

import measure
from figures import Figure

TIDEMILL = "target/release/tidemill"
BARE = "target/release/examples/bare_kafka"
PARTITIONS = 2
#: Codec of the reference, codec of the engine, trades of a message, share of the trades.
CODECS = (("arrow", "arrow", 4096, 1.0), ("array", "json", 512, 0.5), ("one", "json", 1, 0.2))
INDICATORS = "sma(20),ema(12),ema(26),rsi(14),macd(12,26,9),bb(20,2)"
TOPICS = ("aggregated_data_1min", "technical_indicators")


def brokers():
    """The address of a broker that scripts/services starts."""
    subprocess.run(["scripts/services", "up", "kafka"], check=True, stdout=subprocess.DEVNULL)
    with open("target/services/env", encoding="utf-8") as file:
        return re.search(r"TIDEMILL_KAFKA=(\S+)", file.read()).group(1).strip("'\"")


def example(name):
    """Builds a program of the benches that calls librdkafka."""
    command = ["cargo", "build", "--release", "--quiet", "--package", "tidemill-kafka", "--example", name]
    subprocess.run(command, check=True)


def feed(address, topic, folder, rate, seconds, symbols, more=(), paced=True):
    """The command that streams a simulated session into the topic for so long, in Arrow; as fast as can be unless paced."""
    command = [TIDEMILL, "ingest", "--simulate", "--trades", str(int(rate * seconds)), "--symbols", str(symbols)]
    command += ["--brokers", address, "--topic", topic, "--partitions", str(PARTITIONS), "--codec", "arrow", "--batch", "256"]
    pace = ["--rate", str(rate)] if paced else []
    return command + [*pace, "--data", f"{folder}/{topic}-ingest", *more]


def configuration(address, topic, codec, folder, prefix, more=""):
    """Writes a configuration that reads the topic and writes every series, and `more`; its path."""
    path = f"{folder}/kafka.toml"
    with open(path, "w", encoding="utf-8") as file:
        file.write(
            f"""[deployment]
name = "{prefix}"
data = "{folder}/store-{prefix}"
[[source]]
kind = "kafka"
brokers = "{address}"
topics = ["{topic}"]
codec = "{codec}"
start = "earliest"
[[bars]]
widths = ["1min"]
[[indicators]]
widths = ["1min"]
list = [{", ".join(f'"{one}"' for one in re.findall(r"[a-z]+[(][^)]*[)]", INDICATORS))}]
[[sink]]
kind = "kafka"
brokers = "{address}"
topics_prefix = "{prefix}."
{more}"""
        )
    return path


def figures(source, trades, runs, folder):
    """One trade a message, arrays, and Arrow, from the Parquet file `source`."""
    example("bare_kafka")
    address, found = brokers(), []
    for codec, ours, batch, share in CODECS:
        topic = f"bench-{codec}-{uuid.uuid4().hex[:8]}"
        count = int(trades * share)
        flags = ["--brokers", address, "--topic", topic, "--partitions", str(PARTITIONS)]
        flags += ["--codec", ours, "--batch", str(batch), "--data", f"{folder}/ingest"]
        measure.run([TIDEMILL, "ingest", source(count), *flags])
        last = {}

        def engine():
            prefix = f"bench{uuid.uuid4().hex[:8]}"
            path = configuration(address, topic, ours, folder, prefix)
            last["topics"] = ",".join(f"{prefix}.{name}" for name in TOPICS)
            command = [TIDEMILL, "replay", "--topic", topic, "--config", path, "--workers", "2", "--json"]
            cost = measure.run(command)
            last["used"] = json.loads(cost.out)["used"]
            return cost

        def by_hand():
            out = f"bench-out-{uuid.uuid4().hex[:8]}"
            cost = measure.run([BARE, address, codec, topic, last["topics"], out], inside=True)
            last["bare"] = json.loads(cost.out)
            return cost

        costs = measure.alternate({"tidemill": engine, "by hand": by_hand}, runs)
        mine, bare = costs["tidemill"], costs["by hand"]
        if last["used"] != last["bare"]["ticks"]:
            raise measure.Failed(f"{codec}: {last['used']} trades used, {last['bare']['ticks']} decoded by hand")
        detail = f"{mine.cpu:.2f} s, {bare.cpu:.2f} s ({last['bare']['read_cpu']:.2f} s of it reading) for {count:,} trades "
        detail += f"and {last['bare']['rows']:,} rows; {count / mine.cpu:,.0f} trades/s a core"
        title = {"arrow": f"Arrow, {batch} a message", "array": f"JSON, {batch} a message", "one": "JSON, one a message"}[codec]
        found.append(Figure("kafka", f"{title}, CPU", "rdkafka by hand", mine.cpu / bare.cpu, 1.5, False, detail))
    return found
