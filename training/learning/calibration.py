"""Scale the logits of a model's parts to what is likeliest on held-out records.

With one part this is temperature scaling, and changes no prediction. With two, a transformer and a regression, it also
settles how much each says beside the other; both weights at 1 would let the surer one outvote the other.

Source: Guo et al. 2017, "On Calibration of Modern Neural Networks" (arXiv 1706.04599), section 4.2.
"""

from typing import Any, Final

import training.installed

import numpy as np
import torch
from scipy.optimize import minimize
from torch import Tensor

from training.learning.targets import Targets

CALIBRATION_RECORDS: Final = 50
"""Held-out records below which scales would be guesses."""
BOUNDS: Final = (0.05, 20.0)


def weighed(parts: Tensor, scales: Tensor) -> Tensor:
    """Return logits (N, C) of parts (P, N, C) times scales (P,)."""
    return torch.einsum("pnc,p->nc", parts, scales.to(parts.dtype))


def logit_scales(parts: Tensor, target: Tensor | Targets, *, bounds: tuple[float, float] = BOUNDS) -> Tensor:
    """Return (P,) float64 within some bounds, the scales for which the weighed logits are likeliest.

    The likelihood is concave in them, so there is no better optimum elsewhere.

    Args:
        parts: (P, N, C) logits.
        target: (N,) classes, or other targets.
    """
    logits = parts.double()
    targets = Targets.of_classes(target, parts.shape[2]) if isinstance(target, Tensor) else target

    def loss(values: Any) -> tuple[float, Any]:
        scales = torch.tensor(values, requires_grad=True)
        value = targets.losses(weighed(logits, scales)).mean()
        value.backward()
        assert scales.grad is not None
        return float(value.detach()), scales.grad.numpy()

    optimum = minimize(
        loss,
        np.ones(len(parts)),
        jac=True,
        method="L-BFGS-B",
        bounds=[bounds] * len(parts),
        options={"ftol": 1e-14, "gtol": 1e-9},
    )
    return torch.from_numpy(optimum.x)
