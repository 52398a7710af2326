"""Scale the logits of a model's parts to what is likeliest on held-out records.

With one part this is temperature scaling, and changes no prediction. With two, a transformer and a regression, it also
settles how much each says beside the other; both weights at 1 would let the surer one outvote the other.

Source: Guo et al. 2017, "On Calibration of Modern Neural Networks" (arXiv 1706.04599), section 4.2.
"""

from typing import Any, Final

import numpy as np
import torch
from scipy.optimize import minimize
from torch import Tensor

CALIBRATION_RECORDS: Final = 50
"""Held-out records below which scales would be guesses."""
BOUNDS: Final = (0.05, 20.0)


def weighed(parts: Tensor, scales: Tensor) -> Tensor:
    """Return logits (N, C) of parts (P, N, C) times scales (P,)."""
    return torch.einsum("pnc,p->nc", parts, scales.to(parts.dtype))


def logit_scales(parts: Tensor, target: Tensor, *, bounds: tuple[float, float] = BOUNDS) -> Tensor:
    """Return (P,) float64 within some bounds, the scales for which softmax(weighed logits) is likeliest.

    The likelihood is concave in them, so there is no better optimum elsewhere.

    Args:
        parts: (P, N, C) logits.
        target: (N,) classes.
    """
    logits = parts.double()
    of_target = logits[:, torch.arange(len(target)), target]

    def loss(scales: Any) -> tuple[float, Any]:
        both = weighed(logits, torch.from_numpy(scales))
        value = torch.nn.functional.cross_entropy(both, target)
        slope = (torch.einsum("nc,pnc->pn", both.softmax(-1), logits) - of_target).mean(1)
        return float(value), slope.numpy()

    optimum = minimize(
        loss,
        np.ones(len(parts)),
        jac=True,
        method="L-BFGS-B",
        bounds=[bounds] * len(parts),
        options={"ftol": 1e-14, "gtol": 1e-9},
    )
    return torch.from_numpy(optimum.x)
