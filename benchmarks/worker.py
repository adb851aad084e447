"""A process that holds one implementation and does what its standard input says.

Each implementation is timed in a process of its own, so that its memory can be told and its
threads disturb no other's.
"""

import json
import subprocess
import sys
import time
from contextlib import nullcontext

import numpy as np

from benchmarks.implementations import IMPLEMENTATIONS, Problem


def peak_megabytes():
    """The most memory that this process has had, in units of 2**20 bytes."""
    try:
        with open("/proc/self/status") as status:
            line = next(line for line in status if line.startswith("VmHWM"))
        return int(line.split()[1]) / 1024
    except OSError:  # no Linux
        import resource

        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak / 2**20 if sys.platform == "darwin" else peak / 2**10


class Worker:
    """The parent's end of such a process."""

    def __init__(self, name, folder):
        self.name = name
        self.process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.worker", name, str(folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.missing = self._answer().get("missing")

    def _answer(self):
        line = self.process.stdout.readline()
        if not line:
            raise SystemExit(f"The process of {self.name} ended early; see its error above.")
        return json.loads(line)

    def ask(self, command, **values):
        self.process.stdin.write(json.dumps({"command": command, **values}) + "\n")
        self.process.stdin.flush()
        return self._answer()

    def close(self):
        self.process.stdin.close()
        self.process.wait()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def serve(name, folder):
    """Answer commands, a line of JSON each, until there are no more."""
    answers, sys.stdout = sys.stdout, sys.stderr  # libraries may print; answers are ours alone

    def answer(**values):
        print(json.dumps(values), file=answers, flush=True)

    problem = Problem(folder)
    try:
        implementation = IMPLEMENTATIONS[name](problem)
    except ImportError as error:
        return answer(missing=error.name)
    x = implementation.to_device(problem.array("x"))
    noises = [implementation.to_device(noise) for noise in problem.array("noise")]

    def steps(count):
        losses, seconds = [], []
        for number in range(count):
            started = time.perf_counter()
            losses.append(implementation.step(x, noises[number % len(noises)]))
            seconds.append(time.perf_counter() - started)
        return {"losses": losses, "seconds": seconds}

    def save(path):
        np.savez(path, **dict(implementation.parameters()))
        return {}

    commands = {"steps": steps, "save": save, "peak": lambda: {"megabytes": peak_megabytes()}}
    if name == "vae_nb":
        from vae_nb.threads import worker_threads
    else:
        worker_threads = nullcontext
    with worker_threads():
        answer(ready=True)
        for line in sys.stdin:
            values = json.loads(line)
            answer(**commands[values.pop("command")](**values))


if __name__ == "__main__":
    serve(*sys.argv[1:])
