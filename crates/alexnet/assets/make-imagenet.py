"""Writes imagenet/synsets.txt: the 1,000 classes of ILSVRC-2012 in the order of their WNIDs, one per line: the WNID, a space, and
the words of the synset, as in the development kit.

    pip install timm==1.0.31 torchvision==0.29.2
    python3 crates/alexnet/assets/make-imagenet.py

The lists are those of timm. torchvision's list of the same classes, which has the first word of each, is compared with it.
"""

import pathlib
from importlib.util import find_spec

from torchvision.models._meta import _IMAGENET_CATEGORIES as FIRST_WORDS

TIMM = pathlib.Path(find_spec("timm").origin).parent / "data/_info"
# The two that torchvision tells apart in its own way.
RENAMED = {"n02012849": "crane bird", "n03710721": "maillot tank suit"}


def main():
    wnids = (TIMM / "imagenet_synsets.txt").read_text().split()
    lines = (TIMM / "imagenet_synset_to_lemma.txt").read_text().splitlines()
    words = dict(line.split("\t") for line in lines)
    assert wnids == sorted(wnids) and len(wnids) == len(FIRST_WORDS) == 1000
    for wnid, first in zip(wnids, FIRST_WORDS):
        assert RENAMED.get(wnid, words[wnid].split(", ")[0]) == first, (wnid, first)
    text = "".join(f"{wnid} {words[wnid]}\n" for wnid in wnids)
    (pathlib.Path(__file__).parent / "imagenet/synsets.txt").write_text(text)


if __name__ == "__main__":
    main()
