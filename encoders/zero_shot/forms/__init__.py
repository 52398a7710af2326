"""Forms of attention inside a pre-trained model: `form` names them, `naive` defines them, `lists`, `torch`, `cpu` compute."""
