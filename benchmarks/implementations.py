"""The same training step in vae_nb, PyTorch and JAX.

Each class takes a `Problem` (see `problem.py`). Its method `step(x, noise, learning_rate,
kl_weight)` takes one step and returns the loss. `held_out(x, noise)` returns the loss of held-out
images at KL weight 1. `parameters()` yields the name and the values of each array.
"""

import json
import math
from pathlib import Path

import numpy as np

BETA1, BETA2, EPSILON = 0.9, 0.999, 1e-8
LOG_VARIANCE_BOUND = 30.0


class Problem:
    """The files that `problem.py` wrote. Each array is read when it is asked for."""

    def __init__(self, folder):
        self.folder = Path(folder)
        settings = json.loads((self.folder / "settings.json").read_text())
        self.model = settings["model"]  # as in a configuration
        self.image_shape = settings["image_shape"]
        self.layers = settings["layers"]  # layer name: the fields of a LayerShape, in their order
        self.clip_norm = settings["clip_norm"]

    def array(self, name):
        """Read an array."""
        return np.load(self.folder / f"{name}.npy")

    def names(self, part):
        """Return the names of the layers that start with `part`."""
        return [name for name in self.layers if name.startswith(part)]

    @property
    def decoder(self):
        """The names of the decoder's layers."""
        return [*self.names("decoder_"), "output"]


class VaeNb:
    """The module of this project."""

    def __init__(self, problem):
        import vae_nb
        from vae_nb.data.config import config_from_dict

        height, width, channels = problem.image_shape
        data = {"input_size": [height, width], "channels": channels}
        config = config_from_dict({"model": problem.model, "data": data})
        self.vae = vae_nb.VAE(config.model, config.data.image_shape)
        self.vae.mean_image[:] = problem.array("mean_image")
        for name, parameter in self.vae.named_parameters().items():
            parameter[:] = problem.array(name)
        self.adam = vae_nb.Adam(self.vae.parameters, BETA1, BETA2, EPSILON)
        self.clip_scale = vae_nb.clip_scale
        self.version = f"numpy {np.__version__}"
        self.problem = problem

    def to_device(self, array):
        return array

    def step(self, x, noise, learning_rate, kl_weight):
        loss = self.vae.loss_and_gradients(x, noise, kl_weight)
        if self.problem.clip_norm is not None:
            scale = self.clip_scale(self.vae.gradient_norm(), self.problem.clip_norm)
            self.vae.scale_gradients(scale)
        self.adam.update(self.vae.gradient_blocks, learning_rate)
        return loss.total

    def held_out(self, x, noise):
        return self.vae.loss(x, noise).total

    def parameters(self):
        yield from self.vae.named_parameters().items()


class Torch:
    """Eager PyTorch with the fused Adam. Convolutions are in its fastest layout, channels last."""

    def __init__(self, problem):
        import torch

        functional = torch.nn.functional
        activations = {
            "linear": lambda x: x,
            "relu": torch.relu,
            "cosh": torch.cosh,
            "silu": functional.silu,
            "leaky_relu": lambda x: functional.leaky_relu(x, 0.2),
        }

        class Dense(torch.nn.Module):
            def __init__(self, weights, biases, shape):
                super().__init__()
                self.weight = torch.nn.Parameter(weights.T.contiguous())
                self.bias = torch.nn.Parameter(biases)

            def forward(self, x):
                return functional.linear(x, self.weight, self.bias)

            def weights(self):
                return self.weight.T

        class Convolution(torch.nn.Module):
            """It takes and returns rows of numbers, which are images with their channels last."""

            def __init__(self, weights, biases, shape):
                super().__init__()
                self.input_shape = shape["input_shape"]
                self.is_transposed = shape["reads"] == [1, 1]
                kernel, self.stride = shape["writes" if self.is_transposed else "reads"]
                self.padding = (kernel - self.stride) // 2
                channels, filters = self.input_shape[2], shape["output_shape"][2]
                if self.is_transposed:
                    weights = weights.reshape(channels, kernel, kernel, filters).permute(0, 3, 1, 2)
                else:
                    weights = weights.reshape(kernel, kernel, channels, filters).permute(3, 2, 0, 1)
                weights = weights.contiguous(memory_format=torch.channels_last)
                self.weight = torch.nn.Parameter(weights)
                self.bias = torch.nn.Parameter(biases)
                self.has_a_bias_per_filter = len(biases) == filters

            def forward(self, x):
                images = x.reshape(-1, *self.input_shape).permute(0, 3, 1, 2)
                convolve = functional.conv2d
                if self.is_transposed:
                    convolve = functional.conv_transpose2d
                bias = self.bias if self.has_a_bias_per_filter else None
                images = convolve(images, self.weight, bias, self.stride, self.padding)
                outputs = images.permute(0, 2, 3, 1).reshape(len(x), -1)
                return outputs if self.has_a_bias_per_filter else outputs + self.bias

            def weights(self):
                channels = self.weight.shape[0] if self.is_transposed else self.weight.shape[1]
                if self.is_transposed:
                    return self.weight.permute(0, 2, 3, 1).reshape(channels, -1)
                return self.weight.permute(2, 3, 1, 0).reshape(-1, len(self.weight))

        class Model(torch.nn.Module):
            def __init__(self):
                super().__init__()
                layers = {}
                for name, shape in problem.layers.items():
                    weights = torch.from_numpy(problem.array(f"{name}.weights"))
                    biases = torch.from_numpy(problem.array(f"{name}.biases"))
                    kind = Dense if shape["reads"] is None else Convolution
                    layers[name] = kind(weights, biases, shape)
                self.layers = torch.nn.ModuleDict(layers)
                self.register_buffer("mean_image", torch.from_numpy(problem.array("mean_image")))

            def through(self, names, hidden):
                for name in names:
                    activation = activations[problem.layers[name]["activation"]]
                    hidden = activation(self.layers[name](hidden))
                return hidden

            def encode(self, x):
                hidden = self.through(problem.names("encoder_"), x - self.mean_image)
                log_variance = self.layers["log_variance"](hidden)
                log_variance = log_variance.clamp(-LOG_VARIANCE_BOUND, LOG_VARIANCE_BOUND)
                return self.layers["mean"](hidden), log_variance

            def forward(self, x, noise, kl_weight):
                mean, log_variance = self.encode(x)
                z = mean + torch.exp(0.5 * log_variance) * noise
                logits = self.through(problem.decoder, z)
                reconstruction = torch.nn.functional.binary_cross_entropy_with_logits(
                    logits, x, reduction="sum"
                )
                kl = 0.5 * torch.sum(torch.expm1(log_variance) - log_variance + mean**2)
                return reconstruction / len(x) + kl_weight * (kl / len(x))

        self.model = Model()
        self.loss = self.model
        self.to_device = torch.from_numpy
        self.problem = problem
        self.adam = torch.optim.Adam(
            self.model.parameters(), betas=(BETA1, BETA2), eps=EPSILON, fused=True
        )
        self.torch = torch
        self.version = f"torch {torch.__version__}, {torch.get_num_threads()} threads"

    def step(self, x, noise, learning_rate, kl_weight):
        self.adam.param_groups[0]["lr"] = learning_rate
        self.adam.zero_grad(set_to_none=True)
        # A tensor, because torch.compile would compile anew for each Python number.
        loss = self.loss(x, noise, self.torch.tensor(kl_weight))
        loss.backward()
        if self.problem.clip_norm is not None:
            self.torch.nn.utils.clip_grad_norm_(self.model.parameters(), self.problem.clip_norm)
        self.adam.step()
        return loss.item()

    def held_out(self, x, noise):
        with self.torch.no_grad():
            return self.model(x, noise, 1.0).item()

    def parameters(self):
        for name, layer in self.model.layers.items():
            yield f"{name}.weights", layer.weights().detach().numpy()
            yield f"{name}.biases", layer.bias.detach().numpy()


class TorchCompile(Torch):
    """PyTorch with a compiled loss and gradient, and the fused Adam."""

    def __init__(self, problem):
        super().__init__(problem)
        import torch

        self.loss = torch.compile(self.model)


class Jax:
    """One compiled function for the whole step. The parameters and moments are donated to it."""

    def __init__(self, problem):
        import jax
        import jax.numpy as jnp

        activations = {
            "linear": lambda x: x,
            "relu": jax.nn.relu,
            "cosh": jnp.cosh,
            "silu": jax.nn.silu,
            "leaky_relu": lambda x: jax.nn.leaky_relu(x, 0.2),
        }
        self.to_device = jnp.asarray
        self.version = f"jax {jax.__version__}"
        self.block_until_ready = jax.block_until_ready
        arrays = [f"{name}.{part}" for name in problem.layers for part in ("weights", "biases")]
        self.state = {
            "parameters": {name: jnp.asarray(problem.array(name)) for name in arrays},
            "first": {name: jnp.zeros(problem.array(name).shape) for name in arrays},
            "second": {name: jnp.zeros(problem.array(name).shape) for name in arrays},
            "steps": jnp.zeros(()),
        }
        mean_image = jnp.asarray(problem.array("mean_image"))

        def convolved(weights, x, shape):
            """A convolution of rows of numbers, which are images with their channels last."""
            images = x.reshape(-1, *shape["input_shape"])
            channels, filters = shape["input_shape"][2], shape["output_shape"][2]
            is_transposed = shape["reads"] == [1, 1]
            kernel, stride = shape["writes" if is_transposed else "reads"]
            padding = (kernel - stride) // 2
            kinds = ("NHWC", "HWIO", "NHWC")
            if is_transposed:
                weights = weights.reshape(channels, kernel, kernel, filters)
                weights = weights.transpose(1, 2, 0, 3)[::-1, ::-1]
                around = [(kernel - 1 - padding, kernel - 1 - padding)] * 2
                return jax.lax.conv_general_dilated(
                    *(images, weights, (1, 1), around),
                    lhs_dilation=(stride, stride),
                    dimension_numbers=kinds,
                )
            weights = weights.reshape(kernel, kernel, channels, filters)
            return jax.lax.conv_general_dilated(
                *(images, weights, (stride, stride), [(padding, padding)] * 2),
                dimension_numbers=kinds,
            )

        def through(parameters, names, hidden):
            for name in names:
                shape = problem.layers[name]
                weights, biases = parameters[f"{name}.weights"], parameters[f"{name}.biases"]
                if shape["reads"] is None:
                    hidden = hidden @ weights + biases
                else:
                    hidden = convolved(weights, hidden, shape).reshape(-1, len(biases)) + biases
                    hidden = hidden.reshape(-1, math.prod(shape["output_shape"]))
                hidden = activations[shape["activation"]](hidden)
            return hidden

        def loss(parameters, x, noise, kl_weight):
            hidden = through(parameters, problem.names("encoder_"), x - mean_image)
            mean = through(parameters, ["mean"], hidden)
            log_variance = through(parameters, ["log_variance"], hidden)
            log_variance = jnp.clip(log_variance, -LOG_VARIANCE_BOUND, LOG_VARIANCE_BOUND)
            z = mean + jnp.exp(0.5 * log_variance) * noise
            logits = through(parameters, problem.decoder, z)
            reconstruction = jnp.sum(jax.nn.softplus(logits) - x * logits)
            kl = 0.5 * jnp.sum(jnp.expm1(log_variance) - log_variance + mean**2)
            return (reconstruction + kl_weight * kl) / len(x)

        def step(state, x, noise, learning_rate, kl_weight):
            value_and_grad = jax.value_and_grad(loss)
            value, gradients = value_and_grad(state["parameters"], x, noise, kl_weight)
            if problem.clip_norm is not None:
                norm = jnp.sqrt(sum(jnp.sum(g * g) for g in jax.tree.leaves(gradients)))
                scale = jnp.minimum(1, problem.clip_norm / norm)
                gradients = jax.tree.map(lambda g: scale * g, gradients)
            steps = state["steps"] + 1
            first = jax.tree.map(
                lambda m, g: BETA1 * m + (1 - BETA1) * g, state["first"], gradients
            )
            second = jax.tree.map(
                lambda v, g: BETA2 * v + (1 - BETA2) * g * g, state["second"], gradients
            )
            first_correction = 1 / (1 - BETA1**steps)
            second_correction = 1 / (1 - BETA2**steps)

            def updated(parameter, m, v):
                denominator = jnp.sqrt(v * second_correction) + EPSILON
                return parameter - learning_rate * (m * first_correction) / denominator

            parameters = jax.tree.map(updated, state["parameters"], first, second)
            state = {"parameters": parameters, "first": first, "second": second, "steps": steps}
            return state, value

        self.compiled_step = jax.jit(step, donate_argnums=0)
        self.compiled_loss = jax.jit(loss)

    def step(self, x, noise, learning_rate, kl_weight):
        self.state, loss = self.block_until_ready(
            self.compiled_step(self.state, x, noise, learning_rate, kl_weight)
        )
        return float(loss)

    def held_out(self, x, noise):
        return float(self.compiled_loss(self.state["parameters"], x, noise, 1.0))

    def parameters(self):
        for name, array in self.state["parameters"].items():
            yield name, np.asarray(array)


IMPLEMENTATIONS = {
    "vae_nb": VaeNb,
    "torch_fused": Torch,
    "torch_compile": TorchCompile,
    "jax_jit": Jax,
}
