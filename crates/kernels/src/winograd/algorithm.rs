//! The algorithms in use: the five transforms of F(m x m, r x r).

use super::matrices::{BALANCED, LONGEST, Matrix, ONE, SIMPLE};
use super::transform::{Input, Kernel, Output, Transform, transform};
use crate::precision::Precision;

/// The transforms for one pair of tile and kernel.
#[derive(Debug)]
pub(super) struct Algorithm {
    /// `m`, outputs along a tile's side.
    pub(super) tile: usize,
    /// `r`, weights along the kernel's side.
    pub(super) kernel: usize,
    /// `m + r - 1`, inputs along a tile's side.
    pub(super) side: usize,
    /// `V = B^T x B`
    pub(super) input: Transform,
    /// `U = G w G^T`
    pub(super) weights: Transform,
    /// `y = A^T M A`
    pub(super) output: Transform,
    /// `Z = G' dy G'^T`
    pub(super) output_gradient: Transform,
    /// `dw = A'^T dU A'`
    pub(super) weights_gradient: Transform,
    /// For simple points, the factor of point 1 in `G'`: there, `Z` is the sum of `dy` over the tile times the factor's
    /// square.
    pub(super) at_one: f32,
}

impl Algorithm {
    const fn new<const TILE: usize, const KERNEL: usize, const SIDE: usize, const SET: usize>() -> Self {
        assert!(SIDE == TILE + KERNEL - 1 && SIDE <= LONGEST);
        Self {
            tile: TILE,
            kernel: KERNEL,
            side: SIDE,
            input: transform::<Input<SIDE, SET>>,
            weights: transform::<Kernel<SIDE, KERNEL, SET>>,
            output: transform::<Output<SIDE, TILE, SET>>,
            output_gradient: transform::<Kernel<SIDE, TILE, SET>>,
            weights_gradient: transform::<Output<SIDE, KERNEL, SET>>,
            at_one: Matrix::kernel(SIDE, TILE, SET).at[ONE][0],
        }
    }

    /// Elements of a transformed square.
    pub(super) const fn elements(&self) -> usize {
        self.side * self.side
    }

    /// Weights of a kernel for one pair of channels.
    pub(super) const fn taps(&self) -> usize {
        self.kernel * self.kernel
    }
}

/// F(4 x 4, 3 x 3), F(6 x 6, 3 x 3) and F(4 x 4, 5 x 5). Larger tiles would need fewer multiplications but lose digits.
static F32: [Algorithm; 3] = [
    Algorithm::new::<4, 3, 6, SIMPLE>(),
    Algorithm::new::<6, 3, 8, SIMPLE>(),
    Algorithm::new::<4, 5, 8, SIMPLE>(),
];

/// F(4 x 4, 3 x 3) and F(4 x 4, 5 x 5). The transforms amplify the rounding of operands to bfloat16 4.8 and 19 times, against
/// direct products.
static BF16: [Algorithm; 2] = [Algorithm::new::<4, 3, 6, BALANCED>(), Algorithm::new::<4, 5, 8, SIMPLE>()];

/// The algorithms for operands of a precision.
pub(super) fn algorithms(precision: Precision) -> &'static [Algorithm] {
    match precision {
        Precision::F32 => &F32,
        Precision::Bf16 => &BF16,
    }
}
