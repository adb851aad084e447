"""Show where the time of a training step goes, beside the limits of the machine."""

import tempfile
import time

import numpy as np
from matplotlib.figure import Figure

from benchmarks.implementations import Problem, VaeNb
from benchmarks.problem import count_work, write_step
from benchmarks.training_step import LEARNING_RATE, SETTLING_STEPS, STEPS
from vae_nb.core.blocks import worker_threads

# The colors of Okabe & Ito (2008), which color-blind readers can tell apart, too.
STYLES = {  # implementation: color, marker, label
    "vae_nb": ("#D55E00", "o", "vae_nb (NumPy)"),
    "jax_jit": ("#0072B2", "s", "JAX jit"),
    "torch_fused": ("#009E73", "^", "PyTorch, fused Adam"),
    "torch_compile": ("#CC79A7", "v", "PyTorch, compiled"),
}
PHASES = {"forward": "#56B4E9", "backward": "#009E73", "update": "#E69F00"}
FLOORS = {"memory": "#BBBBBB", "arithmetic": "#666666"}


def measure_phases(batch):
    """Measure the median seconds of each phase of vae_nb's step.

    Parameters
    ----------
    batch : int
        The batch size.

    Returns
    -------
    dict
        "forward" (with the loss), "backward", and "update" (which computes the weights' gradients).
    """
    with tempfile.TemporaryDirectory() as folder:
        write_step(folder, batch)
        problem = Problem(folder)
        implementation = VaeNb(problem)
        x = problem.array("x")
        noise = problem.array("noise")[0]
    vae = implementation.vae
    adam = implementation.adam
    seconds = []
    with worker_threads():
        for _ in range(SETTLING_STEPS + STEPS):
            times = [time.perf_counter()]
            for phase in (
                lambda: vae.loss(x, noise),
                lambda: vae.loss_and_gradients(x, noise),
                lambda: adam.update(vae.gradient_blocks, LEARNING_RATE),
            ):
                phase()
                times.append(time.perf_counter())
            seconds.append(np.diff(times))
    forward, both, update = np.median(seconds[SETTLING_STEPS:], axis=0).tolist()
    return {"forward": forward, "backward": max(0.0, both - forward), "update": update}


def draw(machine, rows, phases, vae):
    """Draw two panels: attained rates under the machine's roof, and phases beside floors.

    Parameters
    ----------
    machine : dict
        With "bandwidth_gb_s" and "gemm_gflop_s".
    rows : list of dict
        The rows of `training_step.run`.
    phases : dict of int to dict
        The result of `measure_phases` for each batch size.
    vae : vae_nb.VAE
        A VAE of the seed architecture.

    Returns
    -------
    matplotlib.figure.Figure
    """
    figure = Figure(figsize=(12, 5), dpi=100, layout="constrained")
    roof, bars = figure.subplots(1, 2)
    work = {batch: count_work(vae, batch) for batch in phases}
    _draw_roof(roof, machine, rows, work)
    _draw_bars(bars, machine, phases, work)
    for axes in (roof, bars):
        axes.spines[["top", "right"]].set_visible(False)
    return figure


def _draw_roof(roof, machine, rows, work):
    """Draw the attained rates. `work` is (bytes moved, operations) by batch size."""
    bandwidth = machine["bandwidth_gb_s"]
    gemm_rate = machine["gemm_gflop_s"]
    intensities = {batch: operations / moved for batch, (moved, operations) in work.items()}
    x = np.geomspace(min(intensities.values()) / 2, max(intensities.values()) * 2, 200)
    roof.plot(x, np.minimum(bandwidth * x, gemm_rate), color="black", linewidth=2)
    for point, text, offset in (
        ((x[-1], gemm_rate), f"matrix products: {gemm_rate:.0f} GFLOP/s", (0, 6)),
        ((1.0, bandwidth), f"memory: {bandwidth:.0f} GB/s", (-10, 4)),
    ):
        roof.annotate(text, point, offset, textcoords="offset points", ha="right", fontsize=11)
    for name, (color, marker, label) in STYLES.items():
        measured = [row for row in rows if row["implementation"] == name]
        if not measured:
            continue
        roof.plot(
            [intensities[row["batch"]] for row in measured],
            [work[row["batch"]][1] / row["median_ms"] / 1e6 for row in measured],
            color=color,
            marker=marker,
            markersize=10 if name == "vae_nb" else 8,
            linestyle=":",
            alpha=0.9,
            label=label,
        )
    roof.set(xscale="log", yscale="log", ylim=(None, 2 * gemm_rate))
    roof.set_xlabel("floating-point operations per byte that must move", fontsize=11)
    roof.set_ylabel("attained GFLOP/s", fontsize=11)
    roof.set_title("A training step under the machine's roof", fontsize=13)
    ticks = roof.secondary_xaxis("top")
    ticks.set_xticks(list(intensities.values()), [f"batch {batch}" for batch in work], fontsize=10)
    ticks.minorticks_off()
    roof.legend(fontsize=10, frameon=False, loc="lower right")


def _draw_bars(bars, machine, phases, work):
    """Draw the phases' milliseconds beside the floors'."""
    moved = np.array([moved for moved, _ in work.values()])
    operations = np.array([operations for _, operations in work.values()])
    floors = {
        "memory": moved / machine["bandwidth_gb_s"] / 1e6,
        "arithmetic": operations / machine["gemm_gflop_s"] / 1e6,
    }
    positions = np.arange(len(phases))

    bottom = np.zeros(len(phases))
    for phase, color in PHASES.items():
        heights = 1e3 * np.array([seconds[phase] for seconds in phases.values()])
        bars.bar(positions - 0.2, heights, 0.36, bottom, color=color, label=phase)
        bottom += heights

    bottom = np.zeros(len(phases))
    for floor, color in FLOORS.items():
        heights = floors[floor]
        bars.bar(positions + 0.2, heights, 0.36, bottom, color=color, label=f"floor: {floor}")
        bottom += heights

    bars.set_xticks(positions, [f"batch {batch}" for batch in phases], fontsize=11)
    bars.set_ylabel("milliseconds", fontsize=11)
    bars.set_title("Where vae_nb's step goes, and the machine's floor", fontsize=13)
    bars.legend(fontsize=10, frameon=False, loc="upper left")
