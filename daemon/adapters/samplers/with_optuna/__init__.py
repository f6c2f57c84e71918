"""Samplers of Optuna, asked in its ask-and-tell way over a study in memory: the extra 'search'."""

from daemon.adapters.samplers.with_optuna.nsga2 import Nsga2Sampler
from daemon.adapters.samplers.with_optuna.tpe import TpeSampler

__all__ = ["Nsga2Sampler", "TpeSampler"]
