"""Decoding alone: Tidemill's readers beside Polars on the same files, on one thread each."""

import os
import re
import subprocess
import sys

import measure
from figures import Figure

REFERENCE = os.path.join(os.path.dirname(__file__), "reference.py")


def decoded(folder, millions):
    """CPU nanoseconds a trade of our readers: by path and order, as the bench prints them."""
    command = ["cargo", "bench", "--quiet", "--package", "tidemill-sources", "--bench", "decode", "--"]
    command += [str(millions), os.path.abspath(folder)]
    out = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False).stdout
    print(out, file=sys.stderr)
    lines = re.finditer(r"^(.*) (Log|Time): (\d+) trades, ([0-9.]+) ns", out, re.MULTILINE)
    found = {(line[1], line[2]): (int(line[3]), float(line[4])) for line in lines}
    if not found:
        raise measure.Failed(f"{' '.join(command)} printed no figure")
    return found


def figures(folder, trades, runs, replay):
    """The readers against Polars, and the whole graph for bars against its own reader alone."""
    found = []
    bounds = {"csv": 1.3, "parquet": 1.6}
    for (path, order), (rows, ns) in decoded(folder, max(1, trades // 1_000_000)).items():
        kind = path.rpartition(".")[2]
        if order == "Log":
            polars = measure.run([sys.executable, REFERENCE, "polars-decode", path, str(runs)], inside=True)
            theirs = polars.cpu * 1e9 / rows
            bound = 1.0 if kind == "csv" else None
            detail = f"{ns:.1f} ns, {theirs:.1f} ns of CPU a trade"
            found.append(Figure("decode", f"{kind} decoded", "polars", ns / theirs, bound, False, detail))
        else:
            bars = replay([path], workers=1, sink="none", indicators=None)
            engine = measure.alternate({f"bars from {kind}": bars}, runs)[f"bars from {kind}"]
            mine = engine.cpu * 1e9 / rows
            detail = f"{mine:.1f} ns, {ns:.1f} ns of CPU a trade"
            found.append(
                Figure("decode", f"bars from {kind}", "decoding alone", mine / ns, bounds[kind], False, detail)
            )
    return found
