"""What is compared: programs in each of their precisions, on rows of a task, a network and a batch."""

from dataclasses import dataclass, field

LARGE = ("paper", "paper-without-lrn")
SMALL = ("small", "fashion-mnist", "cifar-18pct", "cifar-13pct", "cifar-11pct", "four-layer-relu", "four-layer-tanh")
TRAINING, INFERENCE = "training", "inference"
OURS = "alexnet"


class SideError(Exception):
    """A side that cannot run, with its reason."""


@dataclass(frozen=True)
class Row:
    """A task on a network with a batch."""

    task: str
    network: str
    batch: int

    def words(self):
        return (self.task, self.network, str(self.batch))

    def __str__(self):
        return f"{self.task}, {self.network}, batch {self.batch}"


@dataclass(frozen=True)
class Side:
    """A program in one precision."""

    program: str
    precision: str
    variant: str = ""
    tasks: tuple = field(default=(INFERENCE,), compare=False)
    module: str = field(default="", compare=False)
    """What a worker runs, for peers."""
    options: tuple = field(default=(), compare=False)
    """Of `alexnet bench`."""

    def words(self):
        return tuple(filter(None, (self.program, self.precision, self.variant)))

    def __str__(self):
        return " ".join(filter(None, (self.program, self.variant, self.precision)))


BOTH = (TRAINING, INFERENCE)
PYTORCH_VARIANTS = ("eager", "channels_last", "compile", "channels_last+compile")

SIDES = (
    Side(OURS, "f32", tasks=BOTH),
    Side(OURS, "f16-weights", options=("--half",)),
    Side(OURS, "bf16", tasks=BOTH, options=("--precision", "bf16")),
    Side(OURS, "int8"),
    *(
        Side("PyTorch", precision, variant, BOTH, "with_pytorch")
        for precision in ("f32", "bf16")
        for variant in PYTORCH_VARIANTS
    ),
    *(Side("OpenVINO", precision, module="with_openvino") for precision in ("f32", "bf16", "int8")),
    *(Side("onnxruntime", precision, module="with_onnxruntime") for precision in ("f32", "int8")),
    *(Side("MNN", precision, module="with_mnn") for precision in ("f32", "low")),
)

ROWS = (
    *(Row(TRAINING, network, 128) for network in LARGE + SMALL),
    *(Row(INFERENCE, network, batch) for network in LARGE for batch in (128, 16, 1)),
    *(Row(INFERENCE, network, 128) for network in SMALL),
    *(Row(TRAINING, network, batch) for network in LARGE for batch in (16, 1)),
)


def is_selected(words, patterns):
    """Whether one of the patterns, such as "inference paper int8", consists of these words only, in any order."""
    return not patterns or any(set(pattern.split()) <= set(words) for pattern in patterns)
