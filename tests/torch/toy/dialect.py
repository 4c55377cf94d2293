"""How another code of the toys calls its arrays."""

from __future__ import annotations

from weights_converter.names.dialect_rules import Dialect, Rule

TOY = Dialect(
    "the toys of another code",
    signs=("block{n}.gating.weight",),
    rules=(
        Rule("block{n}.gating.{leaf}", "blocks.{n}.mix.gate.fc.{leaf}"),
        Rule("block{n}.kernels", "blocks.{n}.mix.weight"),
        Rule("block{n}.norm.{leaf}", "blocks.{n}.norm.{leaf}"),
    ),
)
