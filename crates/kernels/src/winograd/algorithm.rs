//! The algorithms in use: the five transforms of F(m x m, r x r).

use super::matrices::{LONGEST, Matrix, ONE};
use super::transform::{Input, Kernel, Output, Transform, transform};

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
    /// The factor of point 1 in `G'`: there, `Z` is the sum of `dy` over the tile times the factor's square.
    pub(super) at_one: f32,
}

impl Algorithm {
    const fn new<const TILE: usize, const KERNEL: usize, const SIDE: usize>() -> Self {
        assert!(SIDE == TILE + KERNEL - 1 && SIDE <= LONGEST);
        Self {
            tile: TILE,
            kernel: KERNEL,
            side: SIDE,
            input: transform::<Input<SIDE>>,
            weights: transform::<Kernel<SIDE, KERNEL>>,
            output: transform::<Output<SIDE, TILE>>,
            output_gradient: transform::<Kernel<SIDE, TILE>>,
            weights_gradient: transform::<Output<SIDE, KERNEL>>,
            at_one: Matrix::kernel(SIDE, TILE).at[ONE][0],
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
pub(super) const ALGORITHMS: [Algorithm; 3] =
    [Algorithm::new::<4, 3, 6>(), Algorithm::new::<6, 3, 8>(), Algorithm::new::<4, 5, 8>()];
