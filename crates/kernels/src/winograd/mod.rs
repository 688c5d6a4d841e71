//! Convolutions of stride 1 with fewer multiplications: Winograd's short algorithms in two dimensions.
//!
//! A tile of `m x m` outputs sees `side x side` inputs, `side = m + r - 1` for a kernel of `r x r`. With the
//! matrices of [`matrices`], for each tile, input channel `i` and output channel `o`:
//!
//! ```text
//! V = B^T x B                 [side x side] for each tile and i
//! U = G w G^T                 [side x side] for each i and o
//! M[e] = sum_i V[e] U[e]      one matrix product [tiles x i] [i x o] for each element e of the square
//! y = A^T M A                 [m x m] for each tile and o
//! ```
//!
//! `side^2` products stand where `m^2 r^2` stood. The gradient by the inputs is the same convolution with the
//! kernel turned; the gradient by the weights swaps the roles of weights and outputs, with the same `V`:
//!
//! ```text
//! Z = G' dy G'^T              [side x side] for each tile and o, G' for kernels of m
//! dU[e] = sum_tiles V[e] Z[e]
//! dw = A'^T dU A'             A' for r outputs
//! ```
//!
//! Tiles are treated in blocks whose `V` and `M` stay in the cache, all steps of a block by one thread.

mod convolve;
mod fold;
mod gradient;
mod matrices;
mod tiling;
mod transform;

use crate::activation::Epilogue;
use crate::gemm::{MicroKernel, Summation, Tile, interleave};
use crate::geometry::{ConvGeometry, Maps, Window};
use crate::isa::Isa;
use crate::micro_batch::MicroBatch;
use crate::scratch;
use crate::shared::Shared;
use crate::simd::LINE;
use fold::Fold;
use matrices::{LONGEST, Matrix, ONE};
use rayon::prelude::*;
use std::ops::Range;
use tiling::Tiling;
use transform::{Finish, Input, Kernel, Output, Square, Transform, transform};

/// Tiles in a block.
const TILES: usize = 48;

/// The five transforms of one pair of tile and kernel.
#[derive(Debug)]
struct Algorithm {
    tile: usize,
    kernel: usize,
    side: usize,
    /// `V = B^T x B`
    input: Transform,
    /// `U = G w G^T`
    weights: Transform,
    /// `y = A^T M A`
    output: Transform,
    /// `Z = G' dy G'^T`
    output_gradient: Transform,
    /// `dw = A'^T dU A'`
    weights_gradient: Transform,
    /// The factor of point 1 in `G'`: there, `Z` is the sum over the tile of `dy` times its square.
    at_one: f32,
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
    const fn elements(&self) -> usize {
        self.side * self.side
    }
}

/// The algorithms in use. Larger tiles would multiply less, and lose digits.
const ALGORITHMS: [Algorithm; 3] =
    [Algorithm::new::<4, 3, 6>(), Algorithm::new::<6, 3, 8>(), Algorithm::new::<4, 5, 8>()];

/// Where transformed squares lie: element `e` of square `s`, channel `c`, at `e * element + s * row + c`. Rows are
/// odd numbers of cache lines, and so are elements: what a loop visits never falls into a few sets of the cache.
#[derive(Clone, Copy)]
struct Layout {
    row: usize,
    element: usize,
}

impl Layout {
    fn new(squares: usize, channels: usize) -> Self {
        let row = (channels.div_ceil(LINE) | 1) * LINE;
        Self { row, element: ((squares * row / LINE) | 1) * LINE }
    }

    /// Places of the elements of a square.
    fn places(&self, elements: usize) -> Vec<usize> {
        (0..elements).map(|e| e * self.element).collect()
    }
}

/// A convolution over channels-last maps.
#[derive(Clone, Copy)]
pub(crate) struct Winograd {
    algorithm: &'static Algorithm,
    tiling: Tiling,
    /// How the maps come to have stride 1, if they have not.
    fold: Option<Fold>,
    isa: Isa,
    part: MicroBatch,
    /// Values of an image before folding.
    image: usize,
    output: Maps,
    groups: usize,
    /// Input channels of a group.
    inputs: usize,
    /// Output channels of a group.
    outputs: usize,
}

impl Winograd {
    /// The algorithm for a convolution that multiplies least, if it pays.
    pub(crate) fn of(g: &ConvGeometry, part: MicroBatch) -> Option<Self> {
        let best = Self::all(g, part).min_by_key(|one| (one.products(), one.algorithm.side));
        best.filter(|best| best.pays(g.macs())).map(Self::tiled)
    }

    /// The algorithm that these many transformed weights belong to, for however many images.
    pub(crate) fn of_transformed(g: &ConvGeometry, part: MicroBatch, weights: usize) -> Option<Self> {
        Self::all(g, part).find(|one| one.transformed_weights() == weights).map(Self::tiled)
    }

    /// The algorithm for the gradient by the inputs: a convolution of the outputs' gradient.
    pub(crate) fn of_input_gradient(g: &ConvGeometry, part: MicroBatch) -> Option<Self> {
        if g.window.stride != 1 {
            return None;
        }
        let window = Window { pad: g.window.kernel - 1 - g.window.pad, ..g.window };
        Self::of(&ConvGeometry { input: g.output, output: g.input, window, groups: g.groups }, part)
    }

    /// The algorithms that fit a convolution, folded if it has a stride, with the tiles of the whole batch.
    fn all(g: &ConvGeometry, part: MicroBatch) -> impl Iterator<Item = Self> {
        let fold = Fold::of(g);
        let image = g.input.len();
        let g = fold.map_or(*g, |(_, folded)| folded);
        let (inputs, outputs) = (g.group_inputs(), g.group_outputs());
        let fits = part.batch() > 0 && inputs.is_multiple_of(8) && outputs.is_multiple_of(8);
        let kernel = if fits && g.window.stride == 1 { g.window.kernel } else { 0 };
        ALGORITHMS.iter().filter(move |algorithm| algorithm.kernel == kernel).map(move |algorithm| Self {
            algorithm,
            tiling: Tiling::new(g.input, g.output, kernel, g.window.pad, algorithm.tile, part.batch()),
            fold: fold.map(|(fold, _)| fold),
            isa: Isa::current(),
            part,
            image,
            output: g.output,
            groups: g.groups,
            inputs,
            outputs,
        })
    }

    /// With the tiles of the part.
    fn tiled(self) -> Self {
        Self { tiling: self.tiling.of(self.part), ..self }
    }

    /// Multiply-adds of the products, those of padding included.
    fn products(&self) -> usize {
        self.tiling.tiles() * self.algorithm.elements() * self.inputs * self.output.channels
    }

    /// Whether this beats `macs` multiply-adds an image.
    fn pays(&self, macs: usize) -> bool {
        3 * self.products() < 2 * self.part.batch() * macs && self.is_wide()
    }

    /// The transforms take a few operations for each channel: few channels do not pay for them.
    fn is_wide(&self) -> bool {
        self.inputs >= 16 && self.outputs >= 16
    }

    /// `y = bias + sum w x`, then the epilogue. Tells whether all of it is finite: one value that is not spoils every
    /// output of the tiles that see it.
    pub(crate) fn forward(
        &self,
        x: &[f32],
        w: &[f32],
        bias: &[f32],
        epilogue: Epilogue,
        y: &mut [f32],
    ) -> bool {
        scratch::with(self.transformed_weights(), |u| {
            self.transform(w, u);
            self.forward_transformed(x, u, bias, epilogue, y)
        })
    }

    /// [`Self::forward`], for weights that were transformed before.
    pub(crate) fn forward_transformed(
        &self,
        x: &[f32],
        u: &[f32],
        bias: &[f32],
        epilogue: Epilogue,
        y: &mut [f32],
    ) -> bool {
        self.convolve(x, u, Some(bias), epilogue, y)
    }

    /// Transforms the weights of the convolution, folding them first if it is folded.
    pub(crate) fn transform(&self, w: &[f32], u: &mut [f32]) {
        match self.fold {
            Some(fold) => scratch::with(self.weights(), |folded| {
                fold.weights(w, self.outputs, folded);
                self.transform_weights(folded, u);
            }),
            None => self.transform_weights(w, u),
        }
    }

    /// `dx = sum w dy`, the kernel turned: this is the algorithm of the input gradient. Tells whether it is finite.
    pub(crate) fn backward_input(&self, dy: &[f32], w: &[f32], dx: &mut [f32]) -> bool {
        scratch::with(w.len() + self.transformed_weights(), |buffer| {
            let (turned, u) = buffer.split_at_mut(w.len());
            self.turn(w, turned);
            self.transform_weights(turned, u);
            self.convolve(dy, u, None, Epilogue::Identity, dx)
        })
    }

    /// `turned[ky, kx, o, i] = w[-ky, -kx, i, o]`; inputs and outputs are those of this algorithm, not of `w`.
    fn turn(&self, w: &[f32], turned: &mut [f32]) {
        let (taps, matrix) = (self.algorithm.kernel * self.algorithm.kernel, self.inputs * self.outputs);
        turned.par_chunks_exact_mut(matrix).enumerate().for_each(|(at, turned)| {
            let (group, tap) = (at / taps, at % taps);
            let w = &w[(group * taps + taps - 1 - tap) * matrix..][..matrix];
            interleave(self.outputs, |i| &w[i * self.inputs..][..self.inputs], turned);
        });
    }

    /// Weights of the convolution of stride 1.
    fn weights(&self) -> usize {
        self.groups * self.algorithm.kernel * self.algorithm.kernel * self.inputs * self.outputs
    }

    fn kernel(&self) -> &'static MicroKernel {
        MicroKernel::of(self.isa, self.outputs)
    }

    /// Values of the transformed weights, `[groups][panels][elements][inputs][columns of a panel]`.
    pub(crate) fn transformed_weights(&self) -> usize {
        self.groups * self.panels() * self.panel_len()
    }

    fn panels(&self) -> usize {
        self.outputs.div_ceil(self.kernel().columns)
    }

    fn panel_len(&self) -> usize {
        self.algorithm.elements() * self.inputs * self.kernel().columns
    }

    /// `U = G w G^T`, for weights `[groups][kernel][kernel][inputs][outputs]`.
    fn transform_weights(&self, w: &[f32], u: &mut [f32]) {
        let (taps, columns) = (self.algorithm.kernel * self.algorithm.kernel, self.kernel().columns);
        let matrix = self.inputs * self.outputs;
        let from: Vec<usize> = (0..taps).map(|tap| tap * matrix).collect();
        let to: Vec<usize> = (0..self.algorithm.elements()).map(|e| e * self.inputs * columns).collect();
        u.par_chunks_exact_mut(self.panel_len()).enumerate().for_each(|(panel, u)| {
            let (group, first) = (panel / self.panels(), panel % self.panels() * columns);
            let w = &w[group * taps * matrix..][..taps * matrix];
            let channels = columns.min(self.outputs - first);
            if channels < columns {
                u.fill(0.0);
            }
            for i in 0..self.inputs {
                let (x, y) = (&w[i * self.outputs + first..], u[i * columns..].as_mut_ptr());
                let square = Square { x, from: &from, y, to: &to, channels, finish: Finish::NONE, next: &[] };
                // SAFETY: the last place, `(elements - 1) inputs columns`, leaves room for the rest of row `i`;
                // the set of instructions is this machine's.
                unsafe { (self.algorithm.weights)(self.isa, &square) };
            }
        });
    }
}
