//! Kernels as an image.

use serde::Serialize;

use super::kernels::Kernels;
use crate::data::Image;

/// How weights become gray levels.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Levels {
    /// One scale for all kernels: `127.5 + 127.5 w / m`, rounded, where `m` is the largest magnitude of all weights.
    #[default]
    Shared,
    /// A scale for each kernel, where `m` is its largest magnitude: weak kernels look as strong as others.
    PerKernel,
}

/// The fewest kernels in a full row: as many as in the paper's figure.
const PER_ROW: usize = 16;
/// The side of an enlarged kernel, approximately.
const ENLARGED: usize = 44;
/// Pixels between kernels.
const GAP: usize = 4;
/// Between the kernels.
const BACKGROUND: u8 = 255;

/// The arrangement of a column's kernels: row by row, in the order of the maps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KernelGrid {
    /// Kernels in a row.
    pub per_row: usize,
    /// Rows.
    pub rows: usize,
    /// Pixels per weight and direction.
    pub zoom: usize,
    /// The side of an enlarged kernel.
    pub cell: usize,
}

impl KernelGrid {
    /// The arrangement of the columns of `kernels`, the same for all.
    pub fn of(kernels: &Kernels) -> Self {
        let maps = kernels.maps_per_column();
        let most = PER_ROW.max((kernels.maps as f64).sqrt().ceil() as usize);
        let per_row = maps.div_ceil(maps.div_ceil(most));
        let zoom = ((ENLARGED as f64 / kernels.side as f64).round() as usize).max(1);
        Self { per_row, rows: maps.div_ceil(per_row), zoom, cell: zoom * kernels.side }
    }

    /// The width in pixels.
    pub fn width(&self) -> usize {
        self.per_row * (self.cell + GAP) - GAP
    }

    /// The height in pixels.
    pub fn height(&self) -> usize {
        self.rows * (self.cell + GAP) - GAP
    }

    /// The left and top pixel of a kernel, by its number in the column.
    pub fn place(&self, kernel: usize) -> (usize, usize) {
        let (x, y) = (kernel % self.per_row, kernel / self.per_row);
        (x * (self.cell + GAP), y * (self.cell + GAP))
    }
}

/// Draws the kernels of a column (from 0), each weight as a square of one color.
pub fn draw(kernels: &Kernels, column: usize, levels: Levels) -> Image {
    let grid = KernelGrid::of(kernels);
    let (width, height) = (grid.width(), grid.height());
    let mut pixels = vec![BACKGROUND; 3 * width * height];
    let (maps, positions) = (kernels.maps_per_column(), kernels.side * kernels.side);
    let shared = kernels.largest();
    for number in 0..maps {
        let kernel = kernels.kernel(column * maps + number);
        let largest = match levels {
            Levels::Shared => shared,
            Levels::PerKernel => kernel.iter().fold(0.0_f32, |largest, weight| largest.max(weight.abs())),
        };
        let (left, top) = grid.place(number);
        for y in 0..grid.cell {
            for x in 0..grid.cell {
                let weight = y / grid.zoom * kernels.side + x / grid.zoom;
                let pixel = &mut pixels[3 * ((top + y) * width + left + x)..][..3];
                for (channel, value) in pixel.iter_mut().enumerate() {
                    *value = level(kernel[channel * positions + weight], largest);
                }
            }
        }
    }
    Image::new(width, height, pixels)
}

/// The gray level of a weight: 0 for `-largest`, 255 for `largest`.
fn level(weight: f32, largest: f32) -> u8 {
    let share = if largest > 0.0 { f64::from(weight) / f64::from(largest) } else { 0.0 };
    (127.5 + 127.5 * share).round() as u8
}
