"""SAPA as a module: the projections that make queries and keys, and the gate."""

import torch
from torch import nn

from .affiliation import affiliate
from .affiliation_layer import SapaAffiliation
from .affiliation_windowed import affiliation_logits, affiliation_weights
from .checks import (
    BORDERS,
    NORMALIZATIONS,
    STARTS,
    check_choice,
    check_embedding_dim,
    check_heads,
    check_kernel_size,
)
from .distance_prior import DistancePrior
from .guided_upsampler import GuidedUpsampler
from .heads import split_heads
from .place_bias import PlaceBias
from .recomputation import recomputed
from .window import nearest

SIMILARITIES = ("inner", "bilinear", "gated", "addition")


class SAPA(GuidedUpsampler):
    """Similarity-aware point affiliation: upsample a feature to its guide's size (Lu et al., NeurIPS 2022).

    Guide and feature are layer-normalised over their channels; the feature that is assembled is the raw one.
    The query is, by `similarity`:

    - "inner" (SAPA-I): the normalised guide itself, compared with the normalised feature; no parameters.
    - "bilinear" (SAPA-B): a projection of the normalised guide, compared with one of the normalised feature.
    - "gated" (SAPA-G, Eq. 8): that projection mixed with one of the feature, by a gate the feature decides.
    - "addition" (SAPA-P, Table 4): their sum, without the gate.

    As in the released code "gated" has three projections; the paper's Table 1 counts two.

    Args:
        guide_channels: Channels of the guide, the paper's encoder feature Y.
        feature_channels: Channels of the feature, the paper's decoder feature X.
        similarity: One of the above.
        kernel_size: Odd window size K.
        embedding_dim: Embedding dimension d of queries and keys; "inner" has none and does without it.
        normalization: "softmax", "relu", "sigmoid" or "softplus".
        border: "zero", "mask" or "shift", as in `sapa_upsample`.
        start: "average" is the paper's: the first kernel is nearly a flat mean of the window. "bilinear" adds
            one learnt number, a preference for near taps (`DistancePrior`), so that the first kernel is close
            to bilinear's. It needs "softmax", and goes with the border "mask": under "zero" an edge pixel
            gives away the share of the taps outside.
        heads: Parts of the embedding and of the feature's channels, each with kernels of its own, as in
            neighbourhood attention. The paper's SAPA has 1. More share no weights over all channels, so that
            nothing can be assembled in the feature's place.

    Raises:
        TypeError: An argument has the wrong type.
        ValueError: An argument is out of range, "inner" was asked for with unequal channels, or the heads do
            not divide the embedding and the feature's channels.
    """

    def __init__(
        self,
        guide_channels: int,
        feature_channels: int,
        similarity: str = "gated",
        kernel_size: int = 5,
        embedding_dim: int = 64,
        normalization: str = "softmax",
        border: str = "zero",
        start: str = "average",
        heads: int = 1,
    ):
        super().__init__(guide_channels, feature_channels)
        check_choice("similarity", similarity, SIMILARITIES)
        check_choice("normalization", normalization, NORMALIZATIONS)
        check_choice("border", border, BORDERS)
        check_choice("start", start, STARTS)
        check_kernel_size(kernel_size)
        check_embedding_dim(embedding_dim)
        check_heads(heads)
        _check_start(start, normalization, similarity)
        _check_channels(similarity, guide_channels, feature_channels)
        _check_division(heads, feature_channels, embedding_dim if similarity != "inner" else feature_channels)
        self.similarity, self.normalization, self.border = similarity, normalization, border
        self.kernel_size, self.embedding_dim, self.heads = kernel_size, embedding_dim, heads
        self.reassembles = heads == 1

        affine = similarity != "inner"
        self.norm_guide = nn.LayerNorm(guide_channels, elementwise_affine=affine)
        self.norm_feature = nn.LayerNorm(feature_channels, elementwise_affine=affine)
        if similarity != "inner":
            self.query_guide = nn.Linear(guide_channels, embedding_dim)
            self.key = nn.Linear(feature_channels, embedding_dim)
        if similarity in ("gated", "addition"):
            self.query_feature = nn.Linear(feature_channels, embedding_dim)
        if similarity == "gated":
            self.gate = nn.Linear(feature_channels, 1)
        self.prior = DistancePrior() if start == "bilinear" else None
        self.affiliation = SapaAffiliation()
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Initialise the projections as released: truncated normal of deviation 0.02, zero biases."""
        for module in self.children():
            if isinstance(module, nn.Linear):
                nn.init.trunc_normal_(module.weight, std=0.02)
                nn.init.zeros_(module.bias)
            elif isinstance(module, (nn.LayerNorm, DistancePrior)):
                module.reset_parameters()

    def forward(
        self, guide: torch.Tensor, feature: torch.Tensor, value: torch.Tensor | None = None
    ) -> torch.Tensor:
        """Upsample the feature, or another map that stands at the feature's positions.

        Args:
            guide: (B, Cg, H', W').
            feature: (B, Cf, H, W) with H <= H' and W <= W'.
            value: (B, Cv, H, W) to assemble instead of the feature, with the feature's kernels. A 1 x 1
                convolution without bias commutes with the assembly, so it may run here, at the low
                resolution. Only with one head.

        Returns:
            (B, Cf or Cv, H', W').
        """
        self.check_maps(guide, feature, value)
        if value is not None and self.heads > 1:
            raise TypeError(
                f"This SAPA takes no value map, because its {self.heads} heads weigh the feature's channels "
                "apart: apply what made the value map after the upsampling, to its output."
            )
        query, key = self.query_and_key(guide, feature)
        value = feature if value is None else value
        return self.assemble(query, key, value.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)

    def kernels(self, guide: torch.Tensor, feature: torch.Tensor) -> torch.Tensor:
        """Give the upsampling kernels, (B, H', W', K * K), or (B, H', W', n, K * K) with n heads."""
        self.check_maps(guide, feature)
        query, key = map(self._by_head, self.query_and_key(guide, feature))
        bias = self._bias(query, key)
        return affiliation_weights(query, key, self.kernel_size, self.border, self.normalization, bias)

    def logits(self, guide: torch.Tensor, feature: torch.Tensor) -> torch.Tensor:
        """Give what the kernels are made of, in their shape: similarities, and the prior if any."""
        self.check_maps(guide, feature)
        query, key = map(self._by_head, self.query_and_key(guide, feature))
        return affiliation_logits(query, key, self.kernel_size, self._bias(query, key), self.border)

    def query_and_key(self, guide: torch.Tensor, feature: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Embed both maps: (B, Cg, H', W') and (B, Cf, H, W) -> (B, H', W', d) and (B, H, W, d)."""
        guide, feature = guide.permute(0, 2, 3, 1), feature.permute(0, 2, 3, 1)
        if self.similarity == "inner":
            return self.norm_guide(guide), self.norm_feature(feature)
        key, own, gate = self.read(feature)
        # The normalised guide is the largest map here. Kept for the projection's gradient, it would make up
        # most of what SAPA adds to the memory of a training step.
        return recomputed(self._query, guide, own, gate), key

    def _query(
        self, guide: torch.Tensor, own: torch.Tensor | None, gate: torch.Tensor | None
    ) -> torch.Tensor:
        return self.mix(self.query_guide(self.norm_guide(guide)), own, gate)

    def read(self, feature: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor | None, torch.Tensor | None]:
        """Give what a feature (B, H, W, Cf) brings, if there are projections.

        Returns:
            Its keys (B, H, W, d), and by similarity its own queries (B, H, W, d) and the gate's logits
            (B, H, W, 1).
        """
        normed = self.norm_feature(feature)
        own = self.query_feature(feature) if self.similarity in ("gated", "addition") else None
        return self.key(normed), own, self.gate(normed) if self.similarity == "gated" else None

    def mix(
        self, query: torch.Tensor, own: torch.Tensor | None = None, gate: torch.Tensor | None = None
    ) -> torch.Tensor:
        """Mix the guide's queries (B, H', W', d) with those that `read` gives."""
        size = query.shape[1:3]
        if own is not None and gate is not None:
            gate = torch.sigmoid(gate)
            # Projected before it is enlarged: the same numbers, at 1 / s^2 of the arithmetic.
            return nearest(gate, size) * query + nearest((1 - gate) * own, size)
        return query if own is None else query + nearest(own, size)

    def assemble(self, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor) -> torch.Tensor:
        """Affiliate: (B, H', W', d), (B, H, W, d), (B, H, W, C) -> (B, H', W', C)."""
        run = self.affiliation if self.normalization == "softmax" else affiliate  # no kernel has the others
        bias = self._bias(query, key)
        query, key, value = (self._by_head(maps) for maps in (query, key, value))
        output = run(query, key, value, self.kernel_size, self.border, self.normalization, bias=bias)
        return output if self.heads == 1 else output.flatten(-2)

    def _by_head(self, maps: torch.Tensor) -> torch.Tensor:
        return maps if self.heads == 1 else split_heads(maps, self.heads)

    def _bias(self, query: torch.Tensor, key: torch.Tensor) -> PlaceBias | None:
        """Give what a tap's distance adds to its logit, where this SAPA has such a prior."""
        if self.prior is None:
            return None
        return self.prior(query.shape[1:3], key.shape[1:3], self.kernel_size, self.border)

    def extra_repr(self) -> str:
        """Name the choices in print(model)."""
        return (
            f"similarity={self.similarity!r}, kernel_size={self.kernel_size}, "
            f"normalization={self.normalization!r}, border={self.border!r}, "
            f"start={'average' if self.prior is None else 'bilinear'!r}, heads={self.heads}"
        )


def _check_start(start: str, normalization: str, similarity: str) -> None:
    """Refuse a start that the weights cannot have."""
    if start == "bilinear" and normalization != "softmax":
        raise ValueError(
            f"start='bilinear' needs normalization='softmax', got {normalization!r}: with others a logit is "
            "not a factor of the weight."
        )
    if start == "bilinear" and similarity == "inner":
        raise ValueError(
            "start='bilinear' needs projections that start small, and similarity='inner' (SAPA-I) has none: "
            "use 'bilinear' or 'gated', or start='average'."
        )


def _check_channels(similarity: str, guide_channels: int, feature_channels: int) -> None:
    """Refuse maps that have nothing to be compared by."""
    if similarity == "inner" and guide_channels != feature_channels:
        raise ValueError(
            "similarity='inner' (SAPA-I) compares guide and feature channel by channel and needs equal "
            f"counts, but the guide has {guide_channels} and the feature {feature_channels}. "
            "Use 'bilinear' or 'gated'."
        )


def _check_division(heads: int, feature_channels: int, embedding_dim: int) -> None:
    """Refuse heads that would be of unequal size."""
    if feature_channels % heads or embedding_dim % heads:
        raise ValueError(
            f"heads must divide the feature's channels and the embedding dimension, got heads={heads} for "
            f"{feature_channels} and {embedding_dim}."
        )
