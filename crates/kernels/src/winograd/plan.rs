//! The choice of an algorithm for a convolution: the one with the fewest multiplications, if it saves enough.

use super::algorithm::{Algorithm, algorithms};
use super::fold::Fold;
use super::layout::Layout;
use super::tiling::Tiling;
use crate::gemm::{MicroKernel, Word, uses_tiles};
use crate::geometry::{ConvGeometry, Maps, Window};
use crate::isa::Isa;
use crate::micro_batch::MicroBatch;
use crate::precision::Precision;

/// Tiles per block.
pub(super) const TILES: usize = 48;

/// A convolution over channels-last maps by one of the algorithms.
#[derive(Clone, Copy)]
pub(crate) struct Winograd {
    pub(super) algorithm: &'static Algorithm,
    pub(super) tiling: Tiling,
    /// How a convolution with a stride becomes one of stride 1.
    pub(super) fold: Option<Fold>,
    pub(super) isa: Isa,
    pub(super) precision: Precision,
    pub(super) micro_batch: MicroBatch,
    /// Values of an image before folding.
    pub(super) image_len: usize,
    pub(super) output: Maps,
    pub(super) groups: usize,
    /// Input channels of a group.
    pub(super) inputs: usize,
    /// Output channels of a group.
    pub(super) outputs: usize,
}

impl Winograd {
    /// The algorithm for a convolution's forward pass and weight gradient; `None` where direct products are cheaper.
    pub(crate) fn select(g: &ConvGeometry, precision: Precision, micro_batch: MicroBatch) -> Option<Self> {
        let best = Self::candidates(g, precision, micro_batch)
            .min_by_key(|one| (one.multiply_adds(), one.algorithm.side));
        best.filter(|best| best.pays_off(g.macs())).map(Self::for_micro_batch)
    }

    /// The algorithm whose transformed weights have `len` values, whatever the batch.
    pub(crate) fn select_transformed(
        g: &ConvGeometry,
        precision: Precision,
        micro_batch: MicroBatch,
        len: usize,
    ) -> Option<Self> {
        Self::candidates(g, precision, micro_batch)
            .find(|one| one.transformed_weights() == len)
            .map(Self::for_micro_batch)
    }

    /// The algorithm for the input gradient, which is a convolution of the output gradient.
    pub(crate) fn select_input_gradient(
        g: &ConvGeometry,
        precision: Precision,
        micro_batch: MicroBatch,
    ) -> Option<Self> {
        if g.window.stride != 1 {
            return None;
        }
        let window = Window { pad: g.window.kernel - 1 - g.window.pad, ..g.window };
        let gradient = ConvGeometry { input: g.output, output: g.input, window, groups: g.groups };
        Self::select(&gradient, precision, micro_batch)
    }

    /// The largest [`Self::gradient_sums`] of any algorithm that may be chosen for up to `batch` images.
    pub(crate) fn most_gradient_sums(g: &ConvGeometry, precision: Precision, batch: usize) -> usize {
        let wide = Self::candidates(g, precision, batch.into()).filter(Self::is_wide);
        wide.map(|one| one.gradient_sums()).max().unwrap_or(0)
    }

    /// The algorithms that fit a convolution, folded if it has a stride, with the tiling of the whole batch.
    fn candidates(
        g: &ConvGeometry,
        precision: Precision,
        micro_batch: MicroBatch,
    ) -> impl Iterator<Item = Self> {
        let fold = Fold::of(g);
        let image_len = g.input.len();
        let g = fold.map_or(*g, |fold| fold.geometry);
        let (inputs, outputs) = (g.group_inputs(), g.group_outputs());
        // Bfloat16 values of neighboring channels share words.
        let step = match precision {
            Precision::F32 => 1,
            Precision::Bf16 => 8,
        };
        // With AMX, direct products take less time than the transforms.
        let fits = micro_batch.batch() > 0
            && inputs.is_multiple_of(step)
            && outputs.is_multiple_of(step)
            && !uses_tiles(precision);
        let kernel = if fits && g.window.stride == 1 { g.window.kernel } else { 0 };
        let fitting = algorithms(precision).iter().filter(move |algorithm| algorithm.kernel == kernel);
        fitting.map(move |algorithm| Self {
            algorithm,
            tiling: Tiling::new(&g, algorithm.tile, micro_batch.batch()),
            fold,
            isa: Isa::current(),
            precision,
            micro_batch,
            image_len,
            output: g.output,
            groups: g.groups,
            inputs,
            outputs,
        })
    }

    /// The same algorithm with the tiles of the micro-batch.
    fn for_micro_batch(self) -> Self {
        Self { tiling: self.tiling.for_micro_batch(self.micro_batch), ..self }
    }

    /// Multiply-adds of the products, including those of padding.
    fn multiply_adds(&self) -> usize {
        self.tiling.tiles() * self.algorithm.elements() * self.inputs * self.output.channels
    }

    /// Whether this saves at least a third of the `macs` multiply-adds per image of the direct products.
    fn pays_off(&self, macs: usize) -> bool {
        3 * self.multiply_adds() < 2 * self.micro_batch.batch() * macs && self.is_wide()
    }

    /// Whether there are enough channels: the transforms cost a few operations per channel, the products save more.
    fn is_wide(&self) -> bool {
        self.inputs >= 16 && self.outputs >= 16
    }

    pub(super) fn kernel(&self) -> &'static MicroKernel {
        MicroKernel::of(self.isa, self.precision, self.outputs)
    }

    /// What the words of `V`, `U` and `Z` hold.
    pub(super) fn word(&self) -> Word {
        self.kernel().word
    }

    /// Weights of the convolution of stride 1.
    pub(super) fn weights(&self) -> usize {
        self.groups * self.algorithm.taps() * self.inputs * self.outputs
    }

    /// Words of the transformed weights, `[groups][panels][elements][words of inputs][columns of a panel]`.
    pub(crate) fn transformed_weights(&self) -> usize {
        self.groups * self.panels() * self.panel_len()
    }

    pub(super) fn panels(&self) -> usize {
        self.outputs.div_ceil(self.kernel().columns)
    }

    pub(super) fn panel_len(&self) -> usize {
        self.algorithm.elements() * self.word().words(self.inputs) * self.kernel().columns
    }

    /// Values of `dU`, `[groups][elements][inputs][outputs]`.
    pub(crate) fn gradient_sums(&self) -> usize {
        self.groups * self.group_sums()
    }

    /// Values of `dU` of one group.
    pub(super) fn group_sums(&self) -> usize {
        self.algorithm.elements() * self.sums_layout().element
    }

    /// The layout of `dU`.
    pub(super) fn sums_layout(&self) -> Layout {
        let kernel = self.kernel();
        Layout::new(self.inputs.next_multiple_of(kernel.rows), self.outputs.next_multiple_of(kernel.columns))
    }
}
