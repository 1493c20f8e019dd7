"""The families of checkpoints that can be read, one a file."""

from meanfield.checkpoints.families.albert import Albert
from meanfield.checkpoints.families.bert import Bert
from meanfield.checkpoints.families.family import Family
from meanfield.checkpoints.families.gpt2 import Gpt2
from meanfield.checkpoints.families.llama import Llama
from meanfield.checkpoints.families.neox import NeoX

FAMILIES: tuple[Family, ...] = (Bert(), Albert(), Gpt2(), Llama(), NeoX())
