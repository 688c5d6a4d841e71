//! How the outputs of a convolution of stride 1 are cut into square tiles.
//!
//! Tiles of `m` pixels rarely divide a map: 13 pixels need four tiles of 4. So images are laid out side by side in
//! planes, separated by as many rows and columns of zeros as the padding has, and each plane is cut as a whole: three
//! images in a row span 13 + 1 + 13 + 1 + 13 pixels, which seven tiles of 6 cover. Outputs that fall between images are
//! dropped.

use super::matrices::LONGEST;
use super::transform::NOWHERE;
use crate::geometry::{ConvGeometry, Maps};
use crate::isa::multiversioned;
use crate::micro_batch::{GRANULE, MicroBatch};

/// Candidates for the images along a side of a plane: a plane must not extend past a [`GRANULE`], or past a batch that
/// is smaller than one.
const fn plane_sides(batch: usize) -> [usize; 2] {
    if batch < GRANULE { [1, 2] } else { [1, 3] }
}

/// The tiles of a batch or micro-batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Tiling {
    input: Maps,
    output: Maps,
    pad: usize,
    /// Images in the batch or micro-batch.
    count: usize,
    /// Outputs along a tile's side.
    tile: usize,
    /// Inputs along a tile's side.
    side: usize,
    /// Images along each side of a plane.
    images: usize,
    /// Rows and columns of tiles in a plane.
    grid: [usize; 2],
}

/// Farther than any pixel, and twice as far still is a number.
const FAR: usize = usize::MAX / 4;

multiversioned! {
    /// The offsets `first + row + column` for each pair of `rows` and `columns` whose sum is below `end`.
    fn combine(rows: &[usize], columns: &[usize], first: usize, end: usize, offsets: &mut [usize]) {
        for (&row, offsets) in rows.iter().zip(offsets.chunks_exact_mut(columns.len())) {
            for (offset, &column) in offsets.iter_mut().zip(columns) {
                let at = row + column;
                *offset = if at < end { first + at } else { NOWHERE };
            }
        }
    }
}

/// One axis of a plane.
struct Axis {
    /// Pixels of an input image along the axis; the padding follows them.
    input: usize,
    /// Pixels of the image that is addressed.
    size: usize,
    /// Values from image to image.
    image_stride: usize,
    /// Values from pixel to pixel.
    pixel_stride: usize,
}

impl Tiling {
    /// The tiling with the fewest tiles for a batch; `tile` outputs form a tile's side.
    pub(super) fn new(g: &ConvGeometry, tile: usize, batch: usize) -> Self {
        let &ConvGeometry { input, output, window, .. } = g;
        let with = |images: usize| {
            let tiles =
                |input: usize, output: usize| ((images - 1) * (input + window.pad) + output).div_ceil(tile);
            Self {
                input,
                output,
                pad: window.pad,
                count: batch,
                tile,
                side: tile + window.kernel - 1,
                images,
                grid: [tiles(input.height, output.height), tiles(input.width, output.width)],
            }
        };
        plane_sides(batch)
            .into_iter()
            .map(with)
            .min_by_key(|tiling| (tiling.tiles(), tiling.images))
            .unwrap_or(with(1))
    }

    /// The same tiling for a micro-batch.
    pub(super) fn for_micro_batch(self, micro_batch: MicroBatch) -> Self {
        Self { count: micro_batch.images(), ..self }
    }

    /// The number of tiles.
    pub(super) fn tiles(&self) -> usize {
        self.tiles_of(self.count)
    }

    /// Tiles of a full granule.
    pub(super) fn granule_tiles(&self) -> usize {
        self.tiles_of(GRANULE)
    }

    /// Tiles of the first `count` images. The last plane ends with its last row of images.
    fn tiles_of(&self, count: usize) -> usize {
        let [height, width] = self.grid;
        let (planes, rest) = (count / (self.images * self.images), count % (self.images * self.images));
        let rows = match rest.div_ceil(self.images) {
            0 => 0,
            rows => ((rows - 1) * (self.input.height + self.pad) + self.output.height).div_ceil(self.tile),
        };
        (planes * height + rows) * width
    }

    /// The offsets of the inputs of a tile, row by row, in maps of all channels.
    pub(super) fn inputs(&self, tile: usize, offsets: &mut Vec<usize>) {
        self.offsets(tile, self.side, self.input, self.pad, offsets);
    }

    /// The offsets of the outputs of a tile, row by row.
    pub(super) fn outputs(&self, tile: usize, offsets: &mut Vec<usize>) {
        self.offsets(tile, self.tile, self.output, 0, offsets);
    }

    /// The offsets of a square of `side` pixels that starts `before` pixels above and left of the tile.
    fn offsets(&self, tile: usize, side: usize, maps: Maps, before: usize, offsets: &mut Vec<usize>) {
        let [height, width] = self.grid;
        let (plane, row, column) = (tile / (height * width), tile / width % height, tile % width);
        let vertical = Axis {
            input: self.input.height,
            size: maps.height,
            image_stride: self.images * maps.len(),
            pixel_stride: maps.width * maps.channels,
        };
        let horizontal = Axis {
            input: self.input.width,
            size: maps.width,
            image_stride: maps.len(),
            pixel_stride: maps.channels,
        };
        let rows = self.offsets_along(&vertical, row, side, before);
        let columns = self.offsets_along(&horizontal, column, side, before);
        let first = plane * self.images * self.images * maps.len();
        // Offsets past the last image address nothing.
        let end = (self.count * maps.len()).saturating_sub(first);
        offsets.resize(side * side, NOWHERE);
        combine(&rows[..side], &columns[..side], first, end, offsets);
    }

    /// What each pixel of a square contributes to its offset along one axis; [`FAR`] between images.
    fn offsets_along(&self, axis: &Axis, tile: usize, side: usize, before: usize) -> [usize; LONGEST] {
        let period = axis.input + self.pad;
        let mut offsets = [FAR; LONGEST];
        let start = tile * self.tile;
        let (skip, first) = (before.saturating_sub(start), start.saturating_sub(before));
        let (mut image, mut pixel) = (first / period, first % period);
        for offset in &mut offsets[skip.min(side)..side] {
            if image < self.images && pixel < axis.size {
                *offset = image * axis.image_stride + pixel * axis.pixel_stride;
            }
            pixel += 1;
            if pixel == period {
                (image, pixel) = (image + 1, 0);
            }
        }
        offsets
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::geometry::{Rounding, Window};

    fn tiling(input: Maps, kernel: usize, pad: usize, tile: usize, batch: usize) -> Tiling {
        let window = Window { kernel, stride: 1, pad, rounding: Rounding::Down };
        Tiling::new(&ConvGeometry::new(input, 1, window, 1).unwrap(), tile, batch)
    }

    #[test]
    fn small_maps_share_planes() {
        let conv3 = |batch| tiling(Maps::new(13, 13, 1), 3, 1, 4, batch);
        assert_eq!((conv3(128).images, conv3(128).grid), (3, [11, 11]));
        assert_eq!((conv3(8).images, conv3(8).grid), (2, [7, 7]));
        assert_eq!((conv3(1).images, conv3(1).grid), (1, [4, 4]));
        assert_eq!(tiling(Maps::new(27, 27, 1), 5, 2, 4, 128).grid, [7, 7]);
    }

    /// Every output belongs to exactly one tile, whose inputs are those the output needs, with zeros around the image.
    #[test]
    fn tiles_cover_the_outputs() {
        for (height, width, kernel, pad, tile, batch) in [
            (13, 13, 3, 1, 4, 7),
            (9, 14, 5, 2, 4, 5),
            (6, 5, 3, 0, 2, 3),
            (7, 7, 5, 4, 4, 2),
            (1, 1, 3, 1, 4, 9),
        ] {
            let input = Maps::new(height, width, 1);
            let output = Maps::new(height + 2 * pad - kernel + 1, width + 2 * pad - kernel + 1, 1);
            let tiling = tiling(input, kernel, pad, tile, batch);
            let (mut from, mut to) = (Vec::new(), Vec::new());
            let mut times = vec![0; batch * output.len()];
            for t in 0..tiling.tiles() {
                tiling.inputs(t, &mut from);
                tiling.outputs(t, &mut to);
                for (i, &offset) in to.iter().enumerate().filter(|(_, offset)| **offset != NOWHERE) {
                    times[offset] += 1;
                    let image = offset / output.len();
                    let (y, x) = (offset / output.width % output.height, offset % output.width);
                    for (ky, kx) in (0..kernel).flat_map(|ky| (0..kernel).map(move |kx| (ky, kx))) {
                        let actual = from[(i / tile + ky) * tiling.side + i % tile + kx];
                        let (y, x) = ((y + ky).wrapping_sub(pad), (x + kx).wrapping_sub(pad));
                        let expected = match y < height && x < width {
                            true => image * input.len() + y * width + x,
                            false => NOWHERE,
                        };
                        assert_eq!(actual, expected, "{tiling:?}, tile {t}, output {i}, tap {ky} {kx}");
                    }
                }
            }
            assert!(times.iter().all(|&times| times == 1), "{tiling:?}: {times:?}");
        }
    }
}
