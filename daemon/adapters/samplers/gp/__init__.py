"""A Gaussian process of our own, on NumPy alone: few trials on a smooth objective."""

from daemon.adapters.samplers.gp.sampler import GaussianSampler

__all__ = ["GaussianSampler"]
