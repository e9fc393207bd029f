"""Writes 1/classes.txt anew, from the metadata that torchvision publishes with its weights.

Needs torchvision, which serving does not: importing it takes longer than loading the network.
"""

from pathlib import Path

from torchvision.models import EfficientNet_B0_Weights

HEADER = """\
# The 1000 classes of ImageNet, in the order of the network's outputs. Generated, do not edit:
# python examples/photos/write_classes.py
"""

if __name__ == "__main__":
    names = EfficientNet_B0_Weights.DEFAULT.meta["categories"]
    file = Path(__file__).parent / "1" / "classes.txt"
    file.write_text(HEADER + "\n".join(names) + "\n", encoding="utf-8")
