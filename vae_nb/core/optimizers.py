"""Adam and SGD with momentum, on one flat array of parameters, in place.

An update goes over the parameters block by block: a block with its gradient and its moments stays
in the processor's caches while all operations go over it, and several threads share the blocks.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from vae_nb.core.blocks import Block, blocks_of, for_each

if TYPE_CHECKING:
    from vae_nb.data.config import OptimizerConfig


class Adam:
    """Adam with bias correction; with a weight decay it is AdamW.

    Parameters
    ----------
    parameters : ndarray, shape (count,)
        Updated in place.
    beta1, beta2 : float
        Decay of the two moments, in [0, 1).
    epsilon : float
        Added to the root of the second moment.
    weight_decay : float
        Each update also shrinks all parameters by this fraction of the learning rate.

    Attributes
    ----------
    moments : ndarray, shape (2, count)
        The moments m and v of the paper, divided by (1 - beta1) and (1 - beta2). These constants
        are part of the step size instead, which saves two passes over the memory.
    steps : int
        How many updates were made.

    References
    ----------
    Kingma & Ba (2015), "Adam: A Method for Stochastic Optimization", algorithm 1; Loshchilov &
    Hutter (2019), "Decoupled Weight Decay Regularization", algorithm 2, with the weight decay
    multiplied by the learning rate.
    """

    def __init__(
        self,
        parameters: NDArray,
        beta1: float = 0.9,
        beta2: float = 0.999,
        epsilon: float = 1e-8,
        weight_decay: float = 0.0,
    ) -> None:
        self.parameters = parameters
        self.beta1 = beta1
        self.beta2 = beta2
        self.epsilon = epsilon
        self.weight_decay = weight_decay
        self.moments = np.zeros((2, parameters.size), parameters.dtype)
        self.steps = 0

    def update(self, gradients: NDArray | Sequence[Block], learning_rate: float) -> None:
        """Take one step down the gradient.

        Parameters
        ----------
        gradients : ndarray, shape (count,), or list of tuple
            The gradient, or the blocks that compute it: `VAE.gradient_blocks`.
        """
        self.steps += 1
        # The paper's step is learning_rate * m_hat / (sqrt(v_hat) + epsilon). With the moments kept
        # here, m_hat = c1 * m and v_hat = c2 * v. Taking c1 and c2 out of the fraction gives
        # step_size * m / (sqrt(v) + scaled_epsilon).
        c1 = (1 - self.beta1) / (1 - self.beta1**self.steps)
        c2 = (1 - self.beta2) / (1 - self.beta2**self.steps)
        step_size = learning_rate * c1 / math.sqrt(c2)
        scaled_epsilon = self.epsilon / math.sqrt(c2)

        def update_block(block: Block) -> None:
            where, compute_gradient = block
            m, v = self.moments[:, where]  # (size,) each
            # One array holds the gradient, its square and the step in turn: with the block's
            # parameters and moments it stays in the cache.
            scratch = np.empty_like(m)
            compute_gradient(scratch)
            m *= self.beta1
            m += scratch  # m = beta1 m + g
            np.square(scratch, out=scratch)
            v *= self.beta2
            v += scratch  # v = beta2 v + g²

            np.sqrt(v, out=scratch)
            scratch += scaled_epsilon
            np.divide(m, scratch, out=scratch)
            scratch *= step_size
            _decay(self.parameters[where], learning_rate * self.weight_decay)
            self.parameters[where] -= scratch

        for_each(update_block, _as_blocks(gradients, self.parameters))

    def arrays(self) -> dict[str, NDArray]:
        """Return what must be saved to go on later, besides `steps`: {"moments": ...}."""
        return {"moments": self.moments}

    def restore(self, arrays: dict[str, NDArray], steps: int) -> None:
        """Go on from saved `arrays`, after so many steps."""
        self.moments[:] = arrays["moments"]
        self.steps = steps


class SGD:
    """Stochastic gradient descent with momentum.

    Parameters
    ----------
    parameters : ndarray, shape (count,)
        Updated in place.
    momentum : float
        Decay of the velocity, in [0, 1); 0 is plain gradient descent.
    weight_decay : float
        Each update also shrinks all parameters by this fraction of the learning rate.

    Attributes
    ----------
    velocity : ndarray, shape (count,)

    References
    ----------
    Sutskever et al. (2013), "On the importance of initialization and momentum in deep
    learning", equations 1 and 2, with the learning rate outside the velocity; Loshchilov & Hutter
    (2019), "Decoupled Weight Decay Regularization", algorithm 1, for the weight decay.
    """

    def __init__(
        self, parameters: NDArray, momentum: float = 0.9, weight_decay: float = 0.0
    ) -> None:
        self.parameters = parameters
        self.momentum = momentum
        self.weight_decay = weight_decay
        self.velocity = np.zeros_like(parameters)

    def update(self, gradients: NDArray | Sequence[Block], learning_rate: float) -> None:
        """Take one step down the gradient.

        Parameters
        ----------
        gradients : ndarray, shape (count,), or list of tuple
            The gradient, or the blocks that compute it: `VAE.gradient_blocks`.
        """

        def update_block(block: Block) -> None:
            where, compute_gradient = block
            velocity = self.velocity[where]
            step = np.empty_like(velocity)
            compute_gradient(step)
            velocity *= self.momentum
            velocity += step
            np.multiply(velocity, learning_rate, out=step)
            _decay(self.parameters[where], learning_rate * self.weight_decay)
            self.parameters[where] -= step

        for_each(update_block, _as_blocks(gradients, self.parameters))

    def arrays(self) -> dict[str, NDArray]:
        """Return what must be saved to go on later: {"velocity": ...}."""
        return {"velocity": self.velocity}

    def restore(self, arrays: dict[str, NDArray], steps: int) -> None:
        """Go on from saved `arrays`. SGD does not use the number of steps."""
        self.velocity[:] = arrays["velocity"]


def make_optimizer(
    parameters: NDArray, optimizer_config: OptimizerConfig, weight_decay: float = 0.0
) -> Adam | SGD:
    """Make the optimizer that the configuration names.

    Parameters
    ----------
    parameters : ndarray, shape (count,)
    """
    if optimizer_config.type == "sgd":
        return SGD(parameters, momentum=optimizer_config.beta1, weight_decay=weight_decay)
    return Adam(
        parameters,
        beta1=optimizer_config.beta1,
        beta2=optimizer_config.beta2,
        epsilon=optimizer_config.epsilon,
        weight_decay=weight_decay,
    )


def clip_scale(norm: float, clip_norm: float | None) -> float:
    """Return the factor that shortens a gradient to a Euclidean norm of at most `clip_norm`.

    Parameters
    ----------
    norm : float
        The norm of the gradient.
    clip_norm : float or None
        None means no limit.

    Returns
    -------
    float
        In (0, 1].

    References
    ----------
    Pascanu, Mikolov & Bengio (2013), "On the difficulty of training recurrent neural networks",
    algorithm 1.
    """
    if clip_norm is None or norm <= clip_norm:
        return 1.0
    return clip_norm / norm


def _decay(parameters: NDArray, fraction: float) -> None:
    """Shrink parameters by a fraction, in place."""
    if fraction > 0:
        parameters *= 1 - fraction


def _as_blocks(gradients: NDArray | Sequence[Block], parameters: NDArray) -> Sequence[Block]:
    """The gradient in blocks, whichever of the two forms it came in."""
    if not isinstance(gradients, np.ndarray):
        return gradients
    if gradients.shape != parameters.shape:
        raise ValueError(f"gradients {gradients.shape} for parameters {parameters.shape}")
    slices = blocks_of(gradients.size, 1)
    return [(where, partial(np.copyto, src=gradients[where])) for where in slices]
