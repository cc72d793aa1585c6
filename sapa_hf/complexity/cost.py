"""What is counted: parameters and multiply-adds, of a module and of a model with its parts."""

from dataclasses import dataclass

Size = tuple[int, int]


@dataclass(frozen=True)
class Cost:
    """Parameters, and multiply-adds for one image."""

    parameters: int
    multiply_adds: int

    @property
    def flops(self) -> int:
        """Floating point operations: 2 x multiply-adds."""
        return 2 * self.multiply_adds

    def __add__(self, other: "Cost") -> "Cost":
        """Sum two parts."""
        return Cost(self.parameters + other.parameters, self.multiply_adds + other.multiply_adds)


@dataclass(frozen=True)
class Complexity:
    """What a model costs at one input size.

    Attributes:
        size: Height and width of the input.
        model: The model as it computes here.
        plain: The same model with bilinear upsampling.
        upsamplers: Each upsampler by its name in the model.
    """

    size: Size
    model: Cost
    plain: Cost
    upsamplers: dict[str, Cost]

    @property
    def added(self) -> Cost:
        """All upsamplers together."""
        return sum(self.upsamplers.values(), Cost(0, 0))

    @property
    def paper(self) -> Cost:
        """The plain model and the upsamplers on top, as the paper counts."""
        return self.plain + self.added
