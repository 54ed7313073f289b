"""A log likelihood as one operation of PyTensor that computes its gradient on the way; no model here.

Written as plain loops that Numba compiles. The same in tensors takes several times as long to compile, which every
process pays, and to draw from.
"""

import zlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, ClassVar

import pytensor.tensor as pt
from pytensor.gradient import disconnected_type
from pytensor.graph.basic import Apply
from pytensor.graph.op import Op
from pytensor.link.numba.dispatch.basic import register_funcify_default_op_cache_key


class LogLikelihood(Op):
    """Outputs are a log likelihood and its gradients in the first inputs, `differentiable` many; the rest are data.

    `value` computes them, from and to NumPy arrays (a number is one without axes).
    """

    __props__: ClassVar[tuple[str, ...]] = ()
    differentiable: ClassVar[int]
    value: ClassVar[Any]

    def make_node(self, *inputs: Any) -> Any:
        """The node of the inputs."""
        variables = [pt.as_tensor_variable(value) for value in inputs]
        outputs = [pt.dscalar(), *(v.type() for v in variables[: self.differentiable])]
        return Apply(self, variables, outputs)

    def perform(self, node: Any, inputs: Sequence[Any], output_storage: Sequence[list[Any]]) -> None:  # noqa: ARG002
        """The same outside a compiled model."""
        for storage, value in zip(output_storage, type(self).value(*inputs), strict=True):
            storage[0] = value

    def connection_pattern(self, node: Any) -> list[list[bool]]:
        """Only the log likelihood can be differentiated, and not in the data."""
        return [[i < self.differentiable, *[False] * self.differentiable] for i in range(len(node.inputs))]

    def pullback(self, inputs: Sequence[Any], outputs: Sequence[Any], cotangents: Sequence[Any]) -> list[Any]:
        """The gradients that the operation has computed on the way."""
        slopes = [cotangents[0] * slope for slope in outputs[1:]]
        return [*slopes, *(disconnected_type() for _ in inputs[self.differentiable :])]

    def __call__(self, *inputs: Any, **_: Any) -> Any:
        """The log likelihood of the inputs."""
        return self.make_node(*inputs).outputs[0]


def compiled(*files: str) -> Callable[[type[LogLikelihood]], type[LogLikelihood]]:
    """Register an operation whose `value` is compiled; kept on disk under its files' text, so that none is stale."""

    def register(kind: type[LogLikelihood]) -> type[LogLikelihood]:
        def funcify(op: Any, **_: Any) -> Any:  # noqa: ARG001
            return kind.value, zlib.crc32(b"".join(Path(file).read_bytes() for file in files))

        register_funcify_default_op_cache_key(kind)(funcify)
        return kind

    return register
