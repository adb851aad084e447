"""Measure how long `vae-nb run` takes on this machine, with one job and with one on each core.

    python tools/measure_run.py          about ten minutes on two cores

Writes docs/run_times.json, for programs; `python tools/write_docs.py` then writes docs/run_times.md
and the READMEs. Nothing else should run at the same time.
"""

import json
import re
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from jupyter_client.manager import start_new_kernel

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from benchmarks.machine import Rates, describe
from vae_nb import load_config, load_images
from vae_nb.system.cores import core_count

ROOT = Path(__file__).resolve().parents[1]
TABLE = ROOT / "docs" / "run_times.json"
ROUNDS = 3
KERNELS = 5
IMPORTS = "import vae_nb, numpy\nfrom matplotlib import pyplot\nvae_nb.figures, vae_nb.load_images;"


def measure_run(jobs):
    """Run the whole series once.

    Parameters
    ----------
    jobs : int
        How many notebooks at a time.

    Returns
    -------
    dict
        "seconds" of the whole command, of each of the "notebooks", and of the "training".
    """
    with tempfile.TemporaryDirectory() as output:
        command = [sys.executable, "-m", "vae_nb", "run", "--output", output, "--jobs", str(jobs)]
        started = time.perf_counter()
        done = subprocess.run(command, check=True, capture_output=True, text=True, cwd=ROOT)
        seconds = time.perf_counter() - started
        metrics = json.loads(Path(output, "metrics.json").read_text(encoding="utf-8"))
    notebooks = re.findall(r"^(\d\d)_\w+ +([\d.]+) s$", done.stdout, re.MULTILINE)
    return {
        "seconds": seconds,
        "notebooks": {number: float(text) for number, text in sorted(notebooks)},
        "training": metrics["training_seconds"],
    }


def kernel_seconds():
    """Measure the start of a kernel, and then the imports that every notebook has.

    Returns
    -------
    dict
        The medians, "start" and "imports", in seconds.
    """
    starts, imports = [], []
    for _ in range(KERNELS):
        started = time.perf_counter()
        manager, client = start_new_kernel(
            kernel_name="python3", extra_arguments=["--IPKernelApp.log_level=ERROR"]
        )
        ready = time.perf_counter()
        client.execute_interactive(IMPORTS)
        imports.append(time.perf_counter() - ready)
        starts.append(ready - started)
        client.stop_channels()
        manager.shutdown_kernel()
    return {"start": statistics.median(starts), "imports": statistics.median(imports)}


def loading_seconds():
    """Measure the opening of all shipped images: decoded, and then from the cache.

    Returns
    -------
    dict
        "images", how many there are, and the seconds "decoded" and "cached".
    """
    config = load_config("configs/all_emojis.json")
    times = []
    for verify in (True, False):
        started = time.perf_counter()
        images = load_images(config.data, verify=verify)
        times.append(time.perf_counter() - started)
    return {"images": len(images), "decoded": times[0], "cached": times[1]}


def as_markdown(times):
    """Write the page for people.

    Parameters
    ----------
    times : dict
        What `main` has measured.

    Returns
    -------
    str
    """
    machine = times["machine"]
    one, several = times["runs"]["one"], times["runs"]["several"]
    kernel, loading = times["kernel"], times["loading"]
    ratio = statistics.median(
        b["seconds"] / a["seconds"] for a, b in zip(one, several, strict=True)
    )

    def median(runs, key):
        return statistics.median(run[key] for run in runs)

    rows = []
    for number in one[0]["notebooks"]:
        seconds = [median([run["notebooks"] for run in runs], number) for runs in (one, several)]
        rows.append(f"| notebook {number} | {seconds[0]:.0f} | {seconds[1]:.0f} |")
    return f"""\
# How long `vae-nb run` takes

Made by `python tools/measure_run.py` on {machine["processor"]}, {machine["cores"]} cores,
{machine["bandwidth_gb_s"]:.0f} GB/s, {machine["gemm_gflop_s"]:.0f} GFLOP/s.
Everything was installed, and nothing else was running. In seconds, medians of the rounds
({len(one)}).
On a machine of a third of its speed, everything takes about three times as long.

| | `--jobs 1` | `--jobs {times["jobs"]}` |
|---|--:|--:|
| **the whole command** | **{median(one, "seconds"):.0f}** | **{median(several, "seconds"):.0f}** |
{chr(10).join(rows)}
| the training in notebook 04 | {median(one, "training"):.0f} | {median(several, "training"):.0f} |

With {times["jobs"]} jobs the command takes **{ratio:.2f}** of the time: the median of the ratios of
each round.

In every notebook, the start of the kernel takes {kernel["start"]:.1f} s and the imports take
{kernel["imports"]:.1f} s. Opening the {loading["images"]} shipped pictures takes
{1000 * loading["decoded"]:.0f} ms the first time and {1000 * loading["cached"]:.0f} ms from the
cache.
"""


def minutes(times, slowdown=1):
    """Return how long the command takes by default, in minutes, as text.

    Parameters
    ----------
    times : dict
        What `main` has measured.
    slowdown : float
        How much slower the machine is.

    Returns
    -------
    str
    """
    seconds = statistics.median(run["seconds"] for run in times["runs"]["several"])
    return f"{slowdown * seconds / 60:.0f}"


def main():
    """Measure everything, and write the results."""
    rates = Rates()
    for _ in range(ROUNDS):
        rates.measure()
    runs = {"one": [], "several": []}
    for _ in range(ROUNDS):
        runs["one"].append(measure_run(1))
        runs["several"].append(measure_run(core_count()))
    times = {
        "machine": describe()
        | {"bandwidth_gb_s": rates.bandwidth / 1e9, "gemm_gflop_s": rates.gemm_rate / 1e9},
        "jobs": core_count(),
        "runs": runs,
        "kernel": kernel_seconds(),
        "loading": loading_seconds(),
    }
    TABLE.write_text(json.dumps(times, indent=2) + "\n", encoding="utf-8")
    print(as_markdown(times))


if __name__ == "__main__":
    main()
