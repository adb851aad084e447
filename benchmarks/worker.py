"""A process that runs one implementation and takes commands from its standard input.

Each implementation is timed in a process of its own. So its memory can be measured, and its
threads do not disturb the other implementations.
"""

import json
import os
import subprocess
import sys
import time
from contextlib import nullcontext
from pathlib import Path

import numpy as np

from benchmarks.implementations import IMPLEMENTATIONS, Problem

KL_WEIGHT = 1.0  # in the repeated step
TRAINING_ARRAYS = (
    "train_x",
    "held_out_x",
    "orders",
    "noise",
    "held_out_noise",
    "learning_rates",
    "kl_weights",
    "batch_size",
)


def peak_megabytes():
    """Return the peak memory of this process in units of 2**20 bytes. Not on Windows."""
    try:
        with open("/proc/self/status") as status:
            line = next(line for line in status if line.startswith("VmHWM"))
        return int(line.split()[1]) / 1024
    except (OSError, StopIteration):  # not Linux, or a kernel without this figure
        import resource

        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak / 2**20 if sys.platform == "darwin" else peak / 2**10


class Worker:
    """The parent process's handle of a worker process."""

    def __init__(self, name, folder, environment=None):
        self.name = name
        self.process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.worker", name, str(folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=Path(__file__).parents[1],
            env=os.environ | (environment or {}),
        )
        ready = self._answer()
        self.missing = ready.get("missing")
        self.version = ready.get("version")

    def _answer(self):
        line = self.process.stdout.readline()
        if not line:
            raise SystemExit(f"The process of {self.name} ended early; see its error above.")
        return json.loads(line)

    def ask(self, command, **values):
        """Send a command, and return its answer."""
        self.process.stdin.write(json.dumps({"command": command, **values}) + "\n")
        self.process.stdin.flush()
        return self._answer()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.communicate()  # closes its standard input, which ends the process


def serve(name, folder):
    """Answer commands, one in each line of JSON, until the input ends."""
    # Libraries may print. Their text goes to stderr, so that stdout has only the answers.
    answers = sys.stdout
    sys.stdout = sys.stderr

    def answer(**values):
        print(json.dumps(values), file=answers, flush=True)

    problem = Problem(folder)
    try:
        implementation = IMPLEMENTATIONS[name](problem)
    except ImportError as error:
        return answer(missing=error.name or str(error))

    def steps(count, learning_rate):
        x = implementation.to_device(problem.array("x"))
        noises = [implementation.to_device(noise) for noise in problem.array("noise")]
        losses, seconds = [], []
        for number in range(count):
            noise = noises[number % len(noises)]
            started = time.perf_counter()
            losses.append(implementation.step(x, noise, learning_rate, KL_WEIGHT))
            seconds.append(time.perf_counter() - started)
        return {"losses": losses, "seconds": seconds}

    def train():
        """Return the seconds so far and the held-out loss after each epoch."""
        arrays = {name: problem.array(name) for name in TRAINING_ARRAYS}
        batch_size = arrays["batch_size"].item()
        to_device = implementation.to_device
        held_out_x = to_device(arrays["held_out_x"])
        held_out_noise = to_device(arrays["held_out_noise"])
        learning_rates = arrays["learning_rates"].tolist()
        kl_weights = arrays["kl_weights"].tolist()
        schedule = zip(learning_rates, kl_weights, strict=True)
        started = time.perf_counter()
        rows = []
        for order, noise in zip(arrays["orders"], arrays["noise"], strict=True):
            for start in range(0, len(order), batch_size):
                batch = slice(start, start + batch_size)
                x = to_device(arrays["train_x"][order[batch]])
                learning_rate, kl_weight = next(schedule)
                implementation.step(x, to_device(noise[batch]), learning_rate, kl_weight)
            loss = implementation.held_out(held_out_x, held_out_noise)
            rows.append((time.perf_counter() - started, loss))
        return {"rows": rows}

    def save(path):
        np.savez(path, **dict(implementation.parameters()))
        return {}

    def peak():
        return {"megabytes": peak_megabytes()}

    commands = {"steps": steps, "train": train, "save": save, "peak": peak}
    if name == "vae_nb":
        from vae_nb.core.blocks import worker_threads
    else:
        worker_threads = nullcontext
    with worker_threads():
        answer(version=implementation.version)
        for line in sys.stdin:
            values = json.loads(line)
            answer(**commands[values.pop("command")](**values))


if __name__ == "__main__":
    serve(*sys.argv[1:])
