//! Convolutions of stride 1 by Winograd's minimal filtering algorithms F(m x m, r x r) (Lavin and Gray,
//! arXiv:1509.09308).
//!
//! A tile of `m x m` outputs depends on `side x side` inputs, `side = m + r - 1` for a kernel of `r x r`. With the
//! matrices of [`matrices`], for each tile, input channel `i` and output channel `o`:
//!
//! ```text
//! V = B^T x B                 [side x side] per tile and i
//! U = G w G^T                 [side x side] per i and o
//! M[e] = sum_i V[e] U[e]      one product [tiles x i] [i x o] per element e of the square
//! y = A^T M A                 [m x m] per tile and o
//! ```
//!
//! `side^2` multiplications replace `m^2 r^2`. The input gradient is the same convolution with the kernel rotated by
//! 180 degrees; the weight gradient swaps the roles of weights and outputs and uses the same `V`:
//!
//! ```text
//! Z = G' dy G'^T              [side x side] per tile and o; G' is that of a kernel of m
//! dU[e] = sum_tiles V[e] Z[e]
//! dw = A'^T dU A'             A' is that of r outputs
//! ```
//!
//! Tiles are processed in blocks whose `V` and `M` stay in the cache; one thread runs all steps of a block.

mod algorithm;
mod convolve;
mod fold;
mod gradient;
mod layout;
mod matrices;
mod plan;
mod store;
mod tiling;
mod transform;
mod weights;

pub(crate) use fold::Fold;
pub(crate) use plan::Winograd;

#[cfg(test)]
mod rounding_tests;
