#!/usr/bin/env python3
"""CPU time of decoding a file of trades: Tidemill beside Polars, in the same run, on the same files.

Needs the Python package `polars` (say, in a virtual environment outside the repository):
    scripts/bench-decode.py [MILLIONS] [FOLDER]
"""

import os
import re
import subprocess
import sys
import tempfile

ROUNDS = 5
POLARS = """
import os, sys, polars as pl
path = sys.argv[1]
schema = {"ts_event": pl.Int64, "symbol": pl.String, "price": pl.Float64, "size": pl.Float64}
least = float("inf")
for _ in range(int(sys.argv[2])):
    before = os.times()
    if path.endswith(".csv"):
        rows = pl.scan_csv(path, schema=schema).collect().height
    else:
        rows = pl.read_parquet(path, columns=list(schema)).height
    after = os.times()
    cpu = after.user - before.user + after.system - before.system
    least = min(least, cpu)
print(least * 1e9 / rows)
"""


def main():
    millions = sys.argv[1] if len(sys.argv) > 1 else "10"
    folder = sys.argv[2] if len(sys.argv) > 2 else tempfile.gettempdir()
    command = ["cargo", "bench", "-q", "-p", "tidemill-sources", "--bench", "decode", "--"]
    out = subprocess.run(command + [millions, folder], check=True, capture_output=True, text=True)
    ours = {}
    for line in out.stdout.splitlines():
        found = re.match(r"(.*) Log: .* ([0-9.]+) ns", line)
        if found:
            ours[found[1]] = float(found[2])
    for path, ns in ours.items():
        # One thread each, so that no time is spent on sharing.
        environment = dict(os.environ, POLARS_MAX_THREADS="1")
        polars = subprocess.run(
            [sys.executable, "-c", POLARS, path, str(ROUNDS)],
            check=True, capture_output=True, text=True, env=environment,
        )
        theirs = float(polars.stdout)
        name = os.path.basename(path)
        print(f"{name}: tidemill {ns:.1f} ns, polars {theirs:.1f} ns of CPU a trade, "
              f"ratio {ns / theirs:.2f}")


if __name__ == "__main__":
    main()
