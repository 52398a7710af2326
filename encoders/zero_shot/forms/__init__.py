"""How converted layers attend: `Form`, and each form as definition, in torch, compiled for the CPU."""

from encoders.zero_shot.forms.form import Form

__all__ = ["Form"]
