from . import zero_shot as zero_shot
from .attention import hierarchical_attention as hierarchical_attention
from .build import build_classifier as build_classifier
from .cache import FeatureCache as FeatureCache
from .classifier import DocumentForClassification as DocumentForClassification
from .classifier import DocumentModel as DocumentModel  # whose import makes both known to transformers' Auto classes
from .config import DocumentConfig as DocumentConfig
from .embedder.batches import EmbedNodes as EmbedNodes
from .embedder.embedder import Embedder as Embedder
from .embedder.embedder import Embeddings as Embeddings
from .embedder.embedder import NodeSettings as NodeSettings
from .forest.batch import TreeBatch as TreeBatch
from .forest.subtree import subtree_mean as subtree_mean
from .inputs.encoded import DocumentBatch as DocumentBatch
from .inputs.processor import DocumentProcessor as DocumentProcessor
from .inputs.settings import ProcessorSettings as ProcessorSettings
from .predict import Predictions as Predictions
