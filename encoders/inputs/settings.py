"""What of a document becomes a leaf: `ProcessorSettings`, saved as processor_config.json."""

from dataclasses import dataclass

from encoders.inputs.images import ImageSettings


@dataclass(frozen=True, kw_only=True)
class ProcessorSettings:
    """What of a document becomes a leaf."""

    text_leaves: str = "token"
    """"token": every sub-word; "node": every sentence, heading, cell; "none": no text."""
    fields: tuple[str, ...] | None = None
    """Field names of KEYED roots (articles) to keep; None keeps all."""
    readout_node: str | None = None
    """Field name or kind of the subtree whose vector stands for the document (the first one); None for the root."""
    main_only: bool = False
    """Leave out nodes whose role is given and is not "main"."""
    max_tokens: int | None = None
    """Sub-words kept of one document, from its start; what is left out is counted. None keeps all."""
    graph_features: int = 8
    prefix_ids: tuple[int, ...] = ()
    """Special sub-words before each window of a pre-trained encoder."""
    suffix_ids: tuple[int, ...] = ()
    image: ImageSettings | None = None
    """How images are prepared; None leaves images out."""
