//! The tiles of a batch. Each image is cut alone, so that its results do not depend on its neighbors.

use super::algorithm::Algorithm;
use super::matrices::LONGEST;
use crate::geometry::{ConvGeometry, Maps};

/// The offset of a pixel outside the map: it reads as zero and is not written.
pub(super) const NOWHERE: usize = usize::MAX;

/// The offsets of the pixels that a tile reads, row by row.
pub(super) type Inputs = [usize; LONGEST * LONGEST];

/// The offsets of the pixels of a tile, row by row.
pub(super) type Outputs = [usize; 16];

/// The tiles of each image.
#[derive(Clone, Copy)]
pub(super) struct Tiles {
    input: Maps,
    output: Maps,
    pad: usize,
    tile: usize,
    side: usize,
    /// Rows and columns of tiles.
    grid: [usize; 2],
}

impl Tiles {
    pub(super) fn new(g: &ConvGeometry, algorithm: Algorithm) -> Self {
        let tile = algorithm.tile();
        Self {
            input: g.input,
            output: g.output,
            pad: g.window.pad,
            tile,
            side: algorithm.side(),
            grid: [g.output.height.div_ceil(tile), g.output.width.div_ceil(tile)],
        }
    }

    /// Tiles of an image.
    pub(super) fn per_image(&self) -> usize {
        self.grid[0] * self.grid[1]
    }

    /// The offsets of a tile's inputs in the batch.
    pub(super) fn inputs(&self, tile: usize) -> Inputs {
        self.offsets(tile, self.input, self.side, self.pad)
    }

    /// The offsets of a tile's outputs in the batch.
    pub(super) fn outputs(&self, tile: usize) -> Outputs {
        self.offsets(tile, self.output, self.tile, 0)
    }

    /// The offsets of a square of `side` pixels that starts `before` pixels above and left of a tile.
    fn offsets<const N: usize>(&self, tile: usize, maps: Maps, side: usize, before: usize) -> [usize; N] {
        let (image, at) = (tile / self.per_image(), tile % self.per_image());
        let (top, left) = (at / self.grid[1] * self.tile, at % self.grid[1] * self.tile);
        let mut offsets = [NOWHERE; N];
        for i in 0..side {
            for j in 0..side {
                let (y, x) = ((top + i).wrapping_sub(before), (left + j).wrapping_sub(before));
                if y < maps.height && x < maps.width {
                    offsets[i * side + j] = ((image * maps.height + y) * maps.width + x) * maps.channels;
                }
            }
        }
        offsets
    }
}
