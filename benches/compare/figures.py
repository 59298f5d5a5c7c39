"""A figure: what was measured, against which reference, and whether it keeps its bound; and the report of many."""

import json
import os
import platform
import subprocess
from dataclasses import asdict, dataclass


@dataclass
class Figure:
    """`value` is a ratio to `reference`; it should be at most (or, with `least`, at least) `bound`."""

    part: str
    name: str
    reference: str
    value: float
    bound: float | None = None
    least: bool = False
    detail: str = ""

    def verdict(self):
        """Whether it keeps its bound, in a word."""
        if self.bound is None:
            return ""
        return "yes" if (self.value >= self.bound if self.least else self.value <= self.bound) else "NO"

    def row(self):
        """Its row of the table."""
        sign = ">=" if self.least else "<="
        bound = f"{sign} {self.bound:g}" if self.bound is not None else ""
        cells = [self.name, self.reference, f"{self.value:.2f}", bound, self.verdict(), self.detail]
        return f"| {' | '.join(cells)} |"


def value_in(path, name):
    """The value behind `name` in a file of `name: value` lines."""
    with open(path, encoding="utf-8") as file:
        return next((line.split(":", 1)[1].strip() for line in file if line.startswith(name)), "?")


def machine():
    """The machine in a line."""
    gib = int(value_in("/proc/meminfo", "MemTotal").split()[0]) / 2**20
    model = value_in("/proc/cpuinfo", "model name")
    return f"{os.cpu_count()} cores of {model}, {gib:.0f} GiB, {platform.system()} {platform.release()}"


def commit():
    """The commit that was measured, marked when files differ from it."""
    told = subprocess.run(["git", "describe", "--always", "--dirty"], capture_output=True, text=True, check=False)
    return told.stdout.strip() or "unknown"


def write(figures, failures, folder, note):
    """Writes report.md and report.json; returns the text of the former."""
    os.makedirs(folder, exist_ok=True)
    lines = [f"Measured at {commit()} on {machine()}. {note}", ""]
    for part in dict.fromkeys(figure.part for figure in figures):
        lines += [
            f"### {part}",
            "",
            "| figure | reference | ratio | bound | kept | measured |",
            "|---|---|---|---|---|---|",
        ]
        lines += [figure.row() for figure in figures if figure.part == part] + [""]
    lines += [f"Failed: {part}: {why}" for part, why in failures.items()]
    text = "\n".join(lines) + "\n"
    with open(f"{folder}/report.md", "w", encoding="utf-8") as file:
        file.write(text)
    with open(f"{folder}/report.json", "w", encoding="utf-8") as file:
        document = {"commit": commit(), "machine": machine(), "note": note, "failures": failures}
        json.dump(document | {"figures": [asdict(figure) for figure in figures]}, file, indent=1)
    return text
