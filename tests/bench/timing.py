"""Two functions timed in turn, and the rows of CSV that come of it."""
import csv
import os
import statistics
import time

FIELDS = ["model", "shape", "threads", "precision", "ours", "peer", "unit", "ours_value", "peer_value", "ratio",
          "difference", "floor_ms"]


def cores():
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def turn(run, least, warm):
    """One turn: a moment of quiet (the other's threads may still spin), a run to warm up where runs are short,
    then timed runs."""
    time.sleep(0.02)
    if warm:
        run()
    times = []
    while sum(times) < least or not times:
        begin = time.perf_counter()
        run()
        times.append(time.perf_counter() - begin)
    return times


def in_turn(ours, theirs, seconds, turns=6):
    """Seconds of a run of each: the lowest of the medians of its turns. Whatever else the machine does only adds
    time, and to some turns more than to others."""
    medians = [], []
    warm = True
    for _ in range(turns):
        for run, of_run in zip((ours, theirs), medians):
            of_run.append(statistics.median(turn(run, seconds / turns, warm)))
        warm = min(medians[0]) < 0.1
    return [min(of_run) for of_run in medians]


class Report:
    """Rows of CSV, and a line on standard output for each. ratio > 1: ours is faster."""

    def __init__(self, path, append=False):
        new = not (append and path and os.path.exists(path) and os.path.getsize(path))
        self.file = open(path, "a" if append else "w", newline="") if path else None
        self.rows = csv.DictWriter(self.file, FIELDS) if self.file else None
        if self.rows and new:
            self.rows.writeheader()
            self.file.flush()

    def add(self, **row):
        """ratio is worked out where it is not given: of times in ms, or of rates."""
        if "ratio" not in row and row.get("peer_value"):
            ours, theirs = row["ours_value"], row["peer_value"]
            row["ratio"] = theirs / ours if row["unit"] in ("ms", "MiB") else ours / theirs
        told = " ".join(f"{row.get(key, '')!s:<{width}}" for key, width in
                        (("model", 8), ("shape", 9), ("threads", 2), ("ours", 10), ("peer", 24)))
        if "ratio" in row:
            floor = f"  {row['ours_value'] / row['floor_ms']:.2f}x its floor" if row.get("floor_ms") else ""
            print(f"{told} {row['ours_value']:10.2f} {row['peer_value']:10.2f} {row['unit']:8} {row['ratio']:6.2f}x  "
                  f"difference {row['difference']:.1e}{floor}{'   slower' if row['ratio'] < 1 else ''}", flush=True)
        else:
            print(f"{told} {row['unit']}", flush=True)
        if self.rows:
            self.rows.writerow({key: f"{value:.6g}" if isinstance(value, float) else value
                                for key, value in row.items()})
            self.file.flush()
