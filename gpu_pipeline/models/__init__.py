"""Models: what moves on a network, with units and validated parameters."""

from gpu_pipeline.models.base import Model as Model
from gpu_pipeline.models.kuramoto import Kuramoto as Kuramoto
from gpu_pipeline.models.second_order import SecondOrder as SecondOrder
