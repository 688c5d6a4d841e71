//! How the outputs of a convolution of stride 1 are cut into square tiles.
//!
//! Tiles of `m` pixels rarely divide a map: 13 pixels take four tiles of 4. So images are laid side by side in
//! planes, with as many rows and columns of zeros between them as the padding has, and a plane is cut as a whole:
//! three images a side are 13 + 1 + 13 + 1 + 13 pixels, which seven tiles of 6 cover. The outputs between the images are dropped.

use super::matrices::LONGEST;
use super::transform::NOWHERE;
use crate::geometry::Maps;
use crate::micro_batch::{GRANULE, MicroBatch};

/// Images along a side of a plane that are considered: a plane is a part of a [`GRANULE`], or of a batch that has none.
const fn sides(batch: usize) -> [usize; 2] {
    if batch < GRANULE { [1, 2] } else { [1, 3] }
}

/// The tiles of a batch, or of a part of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Tiling {
    input: Maps,
    output: Maps,
    pad: usize,
    /// Images that there are.
    count: usize,
    /// Outputs along a tile's side.
    tile: usize,
    /// Inputs along a tile's side.
    side: usize,
    /// Images along each side of a plane.
    images: usize,
    /// Tiles along the sides of a plane.
    grid: [usize; 2],
}

impl Tiling {
    /// The tiling that wastes the fewest outputs of a batch.
    pub(super) fn new(
        input: Maps,
        output: Maps,
        kernel: usize,
        pad: usize,
        tile: usize,
        batch: usize,
    ) -> Self {
        let grid = |images: usize| {
            let tiles = |input: usize, output: usize| ((images - 1) * (input + pad) + output).div_ceil(tile);
            [tiles(input.height, output.height), tiles(input.width, output.width)]
        };
        let with = |images| Self {
            input,
            output,
            pad,
            count: batch,
            tile,
            side: tile + kernel - 1,
            images,
            grid: grid(images),
        };
        sides(batch)
            .into_iter()
            .map(with)
            .min_by_key(|tiling| (tiling.tiles(), tiling.images))
            .unwrap_or(with(1))
    }

    /// The same tiling of a part of the batch.
    pub(super) fn of(self, part: MicroBatch) -> Self {
        Self { count: part.images(), ..self }
    }

    /// Tiles of all images.
    pub(super) fn tiles(&self) -> usize {
        self.tiles_of(self.count)
    }

    /// Tiles of the first portion of images, if there are so many.
    pub(super) fn portion(&self) -> usize {
        self.tiles_of(GRANULE)
    }

    /// Tiles of the first `count` images: those of the last plane end with its last row of images.
    fn tiles_of(&self, count: usize) -> usize {
        let [height, width] = self.grid;
        let (planes, rest) = (count / (self.images * self.images), count % (self.images * self.images));
        let rows = match rest.div_ceil(self.images) {
            0 => 0,
            rows => self.along_images(rows),
        };
        (planes * height + rows) * width
    }

    /// Rows of tiles of some rows of images.
    fn along_images(&self, rows: usize) -> usize {
        ((rows - 1) * (self.input.height + self.pad) + self.output.height).div_ceil(self.tile)
    }

    /// Where the inputs that a tile sees begin, row by row; `channels` is the number of all channels.
    pub(super) fn inputs(&self, tile: usize, places: &mut Vec<usize>) {
        self.places(tile, self.side, self.input, self.pad, places);
    }

    /// Where the outputs of a tile begin, row by row.
    pub(super) fn outputs(&self, tile: usize, places: &mut Vec<usize>) {
        self.places(tile, self.tile, self.output, 0, places);
    }

    /// The pixels of a square in a plane, `before` pixels above and left of the tile.
    fn places(&self, tile: usize, side: usize, maps: Maps, before: usize, places: &mut Vec<usize>) {
        let [height, width] = self.grid;
        let (plane, row, column) = (tile / (height * width), tile / width % height, tile % width);
        let pixel = maps.channels;
        let (rows, columns) = (
            self.along(
                row,
                side,
                before,
                [self.input.height, maps.height],
                self.images * maps.len(),
                maps.width * pixel,
            ),
            self.along(column, side, before, [self.input.width, maps.width], maps.len(), pixel),
        );
        let first = plane * self.images * self.images * maps.len();
        // Past the last image there is nothing.
        let end = (self.count * maps.len()).saturating_sub(first);
        places.clear();
        for &row in &rows[..side] {
            places.extend(columns[..side].iter().map(|&column| {
                let place = row.saturating_add(column);
                if place < end { first + place } else { NOWHERE }
            }));
        }
    }

    /// What each pixel along an axis of a square adds to its place; [`NOWHERE`] between the images. An image takes
    /// `image` values and a pixel `pixel`; as many pixels as `input` has, and the padding, lie from image to image.
    fn along(
        &self,
        tile: usize,
        side: usize,
        before: usize,
        [input, size]: [usize; 2],
        image: usize,
        pixel: usize,
    ) -> [usize; LONGEST] {
        let period = input + self.pad;
        let mut places = [NOWHERE; LONGEST];
        let start = tile * self.tile;
        let (skip, first) = (before.saturating_sub(start), start.saturating_sub(before));
        let (mut index, mut at) = (first / period, first % period);
        for place in &mut places[skip.min(side)..side] {
            if index < self.images && at < size {
                *place = index * image + at * pixel;
            }
            at += 1;
            if at == period {
                (index, at) = (index + 1, 0);
            }
        }
        places
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn conv3(batch: usize) -> Tiling {
        Tiling::new(Maps::new(13, 13, 1), Maps::new(13, 13, 1), 3, 1, 4, batch)
    }

    #[test]
    fn thirteen_pixels_are_stitched() {
        assert_eq!((conv3(128).images, conv3(128).grid), (3, [11, 11]));
        assert_eq!((conv3(8).images, conv3(8).grid), (2, [7, 7]));
        assert_eq!((conv3(1).images, conv3(1).grid), (1, [4, 4]));
        let wide = Maps::new(27, 27, 1);
        assert_eq!(Tiling::new(wide, wide, 5, 2, 4, 128).grid, [7, 7]);
    }

    /// Every output belongs to one tile, which sees the inputs that it needs and zeros around the image.
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
            let tiling = Tiling::new(input, output, kernel, pad, tile, batch);
            let (mut from, mut to) = (Vec::new(), Vec::new());
            let mut seen = vec![0; batch * output.len()];
            for t in 0..tiling.tiles() {
                tiling.inputs(t, &mut from);
                tiling.outputs(t, &mut to);
                for (i, &place) in to.iter().enumerate().filter(|(_, place)| **place != NOWHERE) {
                    seen[place] += 1;
                    let (image, y, x) =
                        (place / output.len(), place / output.width % output.height, place % output.width);
                    for (ky, kx) in (0..kernel).flat_map(|ky| (0..kernel).map(move |kx| (ky, kx))) {
                        let found = from[(i / tile + ky) * tiling.side + i % tile + kx];
                        let (y, x) = ((y + ky).wrapping_sub(pad), (x + kx).wrapping_sub(pad));
                        let expected = match y < height && x < width {
                            true => image * input.len() + y * width + x,
                            false => NOWHERE,
                        };
                        assert_eq!(found, expected, "{tiling:?}, tile {t}, output {i}, tap {ky} {kx}");
                    }
                }
            }
            assert!(seen.iter().all(|&times| times == 1), "{tiling:?}: {seen:?}");
        }
    }
}
