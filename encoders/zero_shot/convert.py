"""Put HSA into chosen layers of a pre-trained model, take it out again, keep the choice with the model.

    convert(model, layers=..., ...) ─> Report      revert(model)      disable / enable(model, which)
    model.save_pretrained(folder)   ─> restore(AutoModel.from_pretrained(folder))

A converted attention module gets a copy of its config that names HSA as its attention function, and the attribute
`docgraph_hsa` that says what to do; weights are not touched. So `revert` restores the model bit for bit. What was
converted is written to `model.config.docgraph_zero_shot`, which travels in config.json.
"""

import copy
from collections.abc import Callable, Iterable
from fnmatch import fnmatchcase
from typing import Any, Literal

from transformers import PreTrainedModel

from docgraph.errors import ModelError
from encoders.attention import BACKENDS
from encoders.zero_shot.calls import Calls
from encoders.zero_shot.form import BlockPooling, Form, Untie
from encoders.zero_shot.layer import HSA, Layer, Watched, layer_of, layers_of
from encoders.zero_shot.report import Report, grid_of, positions_of, summary
from encoders.zero_shot.sites import Site, attention_modules
from encoders.zero_shot.windows import Auto, Hierarchy, Quadtree, SpecialTokens, Windows, from_json, to_json

RECORD = "docgraph_zero_shot"
RECORD_VERSION = 1

Which = str | Iterable[int] | Callable[[str], bool]
"""Layers: a pattern of module names as in the shell ("*layer.[0-3].*"), 0-based numbers, or a test of names."""


def convert(
    model: PreTrainedModel,
    layers: Which = "*",
    branching: tuple[int, ...] = (2, 4, 8, 16),
    *,
    hierarchy: Hierarchy | Literal["auto"] | None = None,
    special_tokens: SpecialTokens = "inside",
    untie: Untie = None,
    near: int = 0,
    pooling: BlockPooling = "mean",
    cumulant: bool = False,
    form: Form | None = None,
    tower: str | None = None,
    backend: str = "auto",
) -> Report:
    """Replace softmax attention by HSA in the chosen layers, without training.

    Layers that are converted already and chosen again change to the new hierarchy and form; others stay.

    Args:
        layers: 0-based numbers (within each tower), a pattern or a test of module names; all by default.
        branching: children of a node at each level of the windows, leaves first; `()` is softmax itself. Windows
            run over all unpadded positions, and what remains above the last level are the root's children.
        hierarchy: instead of windows: `Windows`, `Quadtree`, or "given": a tree comes with each call, as
            `model(..., hsa_tree=tree)` or inside `with zero_shot.use_tree(tree)`. "auto" moves the ends of the windows
            of `branching` to where the keys change: see `Auto`.
        special_tokens: "own" makes `[CLS]` and `[SEP]` (in decoders the first position) children of the root.
        untie, near, pooling, cumulant: see `Form`; or hand over the `form` instead.
        tower: "text" or "vision" to convert one tower of a joint model.
        backend: of `hierarchical_attention`, for the paper's form; not kept with the model.

    Returns:
        A table of what was converted and its cost; print it.

    Raises:
        ModelError: the model cannot be converted, a layer does not exist, or the options do not go together.
    """
    chosen = choose_sites(model, layers, tower)
    if not isinstance(branching, tuple | list):
        raise ModelError(f"branching must be a tuple, one number a level, but is {branching!r}.")
    if backend not in BACKENDS:
        raise ModelError(f"backend must be one of {', '.join(BACKENDS)}, but is {backend!r}.")
    loose = Windows(tuple(branching), special_tokens)
    if hierarchy not in (None, "auto") and loose != Windows():
        raise ModelError(
            f"hierarchy={hierarchy!r} must come without branching and special_tokens, but {loose!r} is asked for."
        )
    hierarchy = loose if hierarchy is None else hierarchy
    if hierarchy not in ("given", "auto") and not isinstance(hierarchy, Windows | Quadtree):
        raise ModelError(f'hierarchy must be Windows, Quadtree, "given" or "auto", but is {hierarchy!r}.')
    if form is not None and (untie, near, pooling, cumulant) != (None, 0, "mean", False):
        raise ModelError(
            f"form={form!r} must come without untie, near, pooling and cumulant, which it holds, but beside it are "
            f"{untie!r}, {near!r}, {pooling!r} and {cumulant!r}."
        )
    form = Form(untie, near, pooling, cumulant) if form is None else form
    for site in chosen:
        if site.causal and (hierarchy == "auto" or isinstance(hierarchy, Auto)):
            raise ModelError(
                f"hierarchy must not look at keys in causal layers, but is {hierarchy} for {site.name}: later "
                "positions would have a say in what earlier ones see. Use windows."
            )
        if site.causal:
            form.for_causal()
    hierarchies = [_of_site(hierarchy, loose, site) for site in chosen]  # may raise: nothing is converted yet
    for site, of_site in zip(chosen, hierarchies, strict=True):
        _convert_site(site, of_site, form, backend, _calls(model))
    _settle(model)
    return summary(model)


def _of_site(hierarchy: Hierarchy | Literal["auto"], loose: Windows, site: Site) -> Hierarchy:
    """Return what a layer is to attend over, after a look at whether its positions are a quad-tree's grid."""
    layer = layer_of(site.module)
    config = layer.original_config if layer else site.module.config
    if hierarchy == "auto":
        return Auto(loose.branching, loose.special_tokens, grid_of(config))
    if isinstance(hierarchy, Quadtree):
        hierarchy.forest([positions_of(site, config)], site.ends)
    return hierarchy


def watch(model: PreTrainedModel, layers: Which, tell: Callable[[Watched], None]) -> list[Layer]:
    """Let layers go on attending by softmax and tell what they attend over, until `revert`."""
    calls = _calls(model)
    for site in choose_sites(model, layers):
        _convert_site(site, Windows(()), Form(), "auto", calls).watch = tell
    _settle(model)
    return layers_of(model)


def revert(model: PreTrainedModel) -> None:
    """Put softmax attention back everywhere; the model is as it was before `convert`. Nothing happens if it was not."""
    for module in model.modules():
        layer = layer_of(module)
        if layer is not None:
            module.config = layer.original_config
            del module.__dict__[HSA]
    _settle(model)


def disable(model: PreTrainedModel, which: Which = "*") -> None:
    """Let these converted layers attend by softmax until `enable`."""
    _switch(model, which, enabled=False)


def enable(model: PreTrainedModel, which: Which = "*") -> None:
    """Undo `disable`."""
    _switch(model, which, enabled=True)


def is_converted(model: PreTrainedModel) -> bool:
    """Return whether any layer attends by HSA."""
    return any(layer.enabled for layer in layers_of(model))


def restore(model: PreTrainedModel) -> PreTrainedModel:
    """Convert a loaded model as it was when it was saved: `restore(AutoModel.from_pretrained(folder))`.

    Raises:
        ModelError: its config holds no conversion, or one of a later version, or the model is another one.
    """
    record = getattr(model.config, RECORD, None)
    if not record:
        raise ModelError(f"the config must hold a conversion under {RECORD!r}, but has none: call convert first.")
    if record["version"] > RECORD_VERSION:
        raise ModelError(
            f"the conversion must be of version {RECORD_VERSION} or earlier, but is of {record['version']}: "
            "update docgraph."
        )
    sites = {(s.tower, s.layer): s for s in attention_modules(model)}
    calls = _calls(model)
    for entry in record["layers"]:
        site = sites.get((entry["tower"], entry["layer"]))
        if site is None:
            raise ModelError(f"the model must have the layers of its conversion, but has no layer {entry['layer']}.")
        layer = _convert_site(site, from_json(entry["hierarchy"]), Form(**entry["form"]), "auto", calls)
        layer.enabled = entry["enabled"]
    _settle(model)
    return model


def choose_sites(model: PreTrainedModel, layers: Which, tower: str | None = None) -> list[Site]:
    """Return the attention modules that `layers` names.

    Raises:
        ModelError: the model cannot be converted, or lacks such layers or such a tower.
    """
    sites = [s for s in attention_modules(model) if tower is None or s.tower == tower]
    if not sites:
        raise ModelError(f"tower must be one of the model's, but {type(model).__name__} has none called {tower!r}.")
    names = set(_choose(layers, [(s.name, s.layer) for s in sites]))
    return [site for site in sites if site.name in names]


def _choose(which: Which, layers: list[tuple[str, int]]) -> list[str]:
    """Return the names of the chosen layers out of (name, number)."""
    if isinstance(which, str):
        chosen = [name for name, _ in layers if fnmatchcase(name, which)]
        if not chosen:
            raise ModelError(f"layers must match a module, but {which!r} matches none of {layers[0][0]}, ....")
        return chosen
    if callable(which):
        return [name for name, _ in layers if which(name)]
    if not isinstance(which, Iterable):
        raise ModelError(f"layers must be numbers, a pattern or a test of names, but is {which!r}. One layer is [1].")
    numbers = set(which)
    missing = sorted(numbers - {number for _, number in layers})
    if missing:
        raise ModelError(f"layers must be from 0 to {max(number for _, number in layers)}, but are {sorted(numbers)}.")
    return [name for name, number in layers if number in numbers]


def _convert_site(site: Site, hierarchy: Hierarchy, form: Form, backend: str, calls: Calls) -> Layer:
    before = layer_of(site.module)
    layer = Layer(
        name=site.name,
        tower=site.tower,
        index=site.layer,
        ends=site.ends,
        causal=site.causal,
        hierarchy=hierarchy,
        form=form,
        backend=backend,
        calls=calls,
        original_config=site.module.config if before is None else before.original_config,
    )
    site.module.__dict__[HSA] = layer
    return layer


def _switch(model: PreTrainedModel, which: Which, *, enabled: bool) -> None:
    layers = layers_of(model)
    if not layers:
        raise ModelError(f"the model must be converted, but {type(model).__name__} is not.")
    chosen = set(_choose(which, [(layer.name, layer.index) for layer in layers]))
    for layer in layers:
        if layer.name in chosen:
            layer.enabled = enabled
    _settle(model)


def _calls(model: PreTrainedModel) -> Calls:
    """Return what watches the forward passes of the model, hooked in the first time."""
    state = model.__dict__.get("_docgraph_calls")
    if state is not None:
        return state[0]  # type: ignore[no-any-return]
    calls = Calls()
    handles = []
    for module in model.modules():
        if isinstance(module, PreTrainedModel):
            handles.append(module.register_forward_pre_hook(calls.before, with_kwargs=True))
            handles.append(module.register_forward_hook(calls.after, with_kwargs=True, always_call=True))
    model.__dict__["_docgraph_calls"] = calls, handles
    return calls


def _settle(model: PreTrainedModel) -> None:
    """Make configs, hooks and record follow from the converted layers."""
    layers = layers_of(model)
    for module in model.modules():
        layer = layer_of(module)
        if layer is None:
            continue
        config = layer.original_config
        if layer.enabled:
            config = copy.copy(config)
            config._attn_implementation_internal = HSA
        module.config = config
    _settle_masks(model)
    if layers:
        setattr(model.config, RECORD, _record(layers))
    else:
        if hasattr(model.config, RECORD):
            delattr(model.config, RECORD)
        for handle in model.__dict__.pop("_docgraph_calls", (None, []))[1]:
            handle.remove()


def _settle_masks(model: PreTrainedModel) -> None:
    """Ask transformers for O(n) masks where all layers of a config are converted, for its own elsewhere."""
    before: dict[int, tuple[Any, str]] = model.__dict__.setdefault("_docgraph_masks", {})
    for config, implementation in before.values():
        config._attn_implementation_internal = implementation
    before.clear()
    exact = {id(s.module.config) for s in attention_modules(model) if layer_of(s.module) is None}
    exact |= {id(layer.original_config) for layer in layers_of(model) if not layer.enabled or layer.watch}
    for layer in layers_of(model):
        config = layer.original_config
        if layer.enabled and id(config) not in exact and id(config) not in before:
            before[id(config)] = config, config._attn_implementation_internal
            config._attn_implementation_internal = HSA
    if not before:
        del model.__dict__["_docgraph_masks"]


def _record(layers: list[Layer]) -> dict[str, Any]:
    return {
        "version": RECORD_VERSION,
        "layers": [
            {
                "tower": layer.tower,
                "layer": layer.index,
                "hierarchy": to_json(layer.hierarchy),
                "form": dict(vars(layer.form)),
                "enabled": layer.enabled,
            }
            for layer in layers
        ],
    }
