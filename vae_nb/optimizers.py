"""Adam and SGD with momentum, on one flat array of parameters, in place."""

import math

import numpy as np

# A block of parameters, gradients, moments and scratch stays in the processor's cache while all
# passes of an update go over it; whole arrays would travel from memory once for each pass.
BLOCK = 65536


class Adam:
    """Adam with bias correction.

    Parameters
    ----------
    parameters : ndarray, shape (count,)
        Updated in place.
    beta1, beta2 : float
        Decay of the two moments, in [0, 1).
    epsilon : float
        Added to the root of the second moment.

    Attributes
    ----------
    first_moment, second_moment : ndarray, shape (count,)
        The moments m and v of the paper over (1 - beta1) and (1 - beta2): the constants go
        into the step size instead, which saves two passes over the memory.
    steps : int

    References
    ----------
    Kingma & Ba (2015), "Adam: A Method for Stochastic Optimization", algorithm 1.
    """

    def __init__(self, parameters, beta1=0.9, beta2=0.999, epsilon=1e-8):
        self.parameters = parameters
        self.beta1 = beta1
        self.beta2 = beta2
        self.epsilon = epsilon
        self.first_moment = np.zeros_like(parameters)
        self.second_moment = np.zeros_like(parameters)
        self.scratch = np.empty(min(BLOCK, parameters.size), parameters.dtype)
        self.steps = 0

    def update(self, gradients, learning_rate, scale=1.0):
        """Take one step down the gradient.

        Parameters
        ----------
        gradients : ndarray, shape (count,)
        learning_rate : float
        scale : float
            Multiplies the gradient, as a clipped norm asks for.
        """
        self.steps += 1
        # m_hat = first_correction * first_moment, v_hat = second_correction * second_moment
        first_correction = (1 - self.beta1) / (1 - self.beta1**self.steps)
        second_correction = (1 - self.beta2) / (1 - self.beta2**self.steps)
        # m_hat / (sqrt(v_hat) + epsilon), with both corrections taken out of the fraction
        step_size = learning_rate * first_correction / math.sqrt(second_correction)
        epsilon = self.epsilon / math.sqrt(second_correction)
        for start in range(0, self.parameters.size, BLOCK):
            block = slice(start, start + BLOCK)
            parameters = self.parameters[block]
            first_moment = self.first_moment[block]
            second_moment = self.second_moment[block]
            scratch = self.scratch[: parameters.size]

            np.multiply(gradients[block], scale, out=scratch)
            first_moment *= self.beta1
            first_moment += scratch
            second_moment *= self.beta2
            scratch *= scratch
            second_moment += scratch

            np.sqrt(second_moment, out=scratch)
            scratch += epsilon
            np.divide(first_moment, scratch, out=scratch)
            scratch *= step_size
            parameters -= scratch


class SGD:
    """Stochastic gradient descent with momentum.

    Parameters
    ----------
    parameters : ndarray, shape (count,)
        Updated in place.
    momentum : float
        Decay of the velocity, in [0, 1); 0 is plain gradient descent.

    Attributes
    ----------
    velocity : ndarray, shape (count,)

    References
    ----------
    Sutskever et al. (2013), "On the importance of initialization and momentum in deep
    learning", equations 1 and 2, with the learning rate outside the velocity.
    """

    def __init__(self, parameters, momentum=0.9):
        self.parameters = parameters
        self.momentum = momentum
        self.velocity = np.zeros_like(parameters)
        self.scratch = np.empty(min(BLOCK, parameters.size), parameters.dtype)

    def update(self, gradients, learning_rate, scale=1.0):
        """Take one step down the gradient.

        Parameters
        ----------
        gradients : ndarray, shape (count,)
        learning_rate : float
        scale : float
            Multiplies the gradient, as a clipped norm asks for.
        """
        for start in range(0, self.parameters.size, BLOCK):
            block = slice(start, start + BLOCK)
            velocity = self.velocity[block]
            scratch = self.scratch[: velocity.size]
            np.multiply(gradients[block], scale, out=scratch)
            velocity *= self.momentum
            velocity += scratch
            np.multiply(velocity, learning_rate, out=scratch)
            self.parameters[block] -= scratch


def make_optimizer(parameters, optimizer):
    """The optimiser that the configuration names.

    Parameters
    ----------
    parameters : ndarray, shape (count,)
    optimizer : vae_nb.config.OptimizerConfig

    Returns
    -------
    Adam or SGD
    """
    if optimizer.type == "sgd":
        return SGD(parameters, momentum=optimizer.beta1)
    return Adam(parameters, optimizer.beta1, optimizer.beta2, optimizer.epsilon)
