"""Another learning rate for some of the variables that an optimizer updates."""

from __future__ import annotations

from typing import Any

import tensorflow as tf
import tf_keras

from official_yolact.optimizers import guarded_update
from official_yolact.schema import Tensor


def multiply_rate(optimizer: Any, variables: list[Any], multiplier: float) -> None:
    """Let an optimizer update some of its variables with a multiple of its learning rate.

    Each of these variables is updated as by an optimizer of its own, whose rate is the multiple at every
    step: the decoupled weight decay of AdamW and the trust ratios of LAMB and LARS follow. The schedule, the
    slots and the count of steps stay one for all variables. With Adam and its kin a small loss or gradient
    would not do the same, since their steps do not depend on the scale of the gradient.

    Source: `lr_backbone` of DETR (arXiv 2005.12872, a tenth), there by groups of parameters.

    Args:
      optimizer: a legacy optimizer of Keras, which a `LossScaleOptimizer` and a `MovingAverage` may wrap.
      variables: those that are updated with the multiple.
      multiplier: above 0.

    Raises:
      ValueError: the optimizer keeps one rate for all variables.
    """
    innermost = guarded_update.find_innermost(optimizer)
    if not isinstance(innermost, tf_keras.optimizers.legacy.Optimizer):
        raise ValueError(
            f"a learning rate multiplier needs a legacy optimizer of Keras, not {type(innermost).__name__}"
        )
    chosen = {_identify(variable) for variable in variables}
    apply_dense = innermost._resource_apply_dense

    def apply(grad: Tensor, var: Any, apply_state: Any = None) -> tf.Operation:
        if _identify(var) in chosen:
            key = (var.device, var.dtype.base_dtype)
            coefficients = (apply_state or {}).get(key) or innermost._fallback_apply_state(*key)
            multiple = coefficients["lr_t"] * tf.cast(multiplier, key[1])
            apply_state = {**(apply_state or {}), key: {**coefficients, "lr_t": multiple}}
        return apply_dense(grad, var, apply_state=apply_state)

    innermost._resource_apply_dense = apply


def _identify(variable: Any) -> str:
    """Return what a variable and its components on all replicas share: the key of the optimizer's slots."""
    container = getattr(variable, "_distributed_container", None)
    whole = container() if container else variable
    return str(whole._unique_id)
