//! F(2 x 1, 5 x 1): Winograd's algorithm along the columns of pixels, a direct convolution along the rows.
//!
//! Each element of the transformed inputs is a map with half as many rows, in which the taps of a pixel are contiguous.

use super::super::bytes;
use super::super::isa::Int8Isa;
use super::super::patches::row_stride;
use super::super::tile::{COLUMNS, TALLEST, Value, WORD};
use super::super::vector::{ByteVector, One};
use super::matrices::LONGEST;
use super::pass::{Job, LINE, Pass};
use super::tiles::NOWHERE;
use super::transform::{F2x5Vertical, input_line, output_line};
use crate::scratch;
use crate::simd::Four;

/// Outputs along a tile.
const TILE: usize = 2;

/// Values along a transformed tile, and elements of a transform.
const SIDE: usize = 6;

/// The byte of a transformed input that is 0.
const CENTER: u8 = 128;

/// Pixels of a block, at most, if they are more than one row.
const PIXELS: usize = 8 * TALLEST;

impl<T: Value> Pass<'_, T> {
    pub(super) fn run_vertical(&self, images: usize) {
        let pairs = images * self.pairs();
        let most = (PIXELS / self.g.output.width).max(1);
        self.run_jobs(self.jobs(pairs, most, 1), |job| self.vertical_block(job));
    }

    /// Pairs of output rows of an image.
    fn pairs(&self) -> usize {
        self.g.output.height.div_ceil(TILE)
    }

    /// Computes a block, whose tiles are pairs of rows.
    fn vertical_block(&self, job: &Job) {
        let (g, count, words) = (self.g, job.tiles.len(), self.winograd.weights.words);
        let (inputs, width) = (g.group_inputs(), g.output.width);
        let row = (g.input.width + 2 * g.window.pad) * inputs;
        // Incomplete tiles read past the last pixel.
        let v_element = row_stride(count * row + TALLEST * inputs + words * WORD);
        let m_element = count * width * COLUMNS + LINE / size_of::<f32>();
        bytes::with_scratch(SIDE * v_element, |v| {
            self.transform_rows(job, v, row, v_element);
            scratch::with(SIDE * m_element, |m| {
                for panel in job.panels.clone() {
                    for e in 0..SIDE {
                        let weights = (job.group * self.panels() + panel) * SIDE + e;
                        let (v, m) = (&v[e * v_element..][..v_element], &mut m[e * m_element..][..m_element]);
                        for pair in 0..count {
                            let (v, m) = (&v[pair * row..], &mut m[pair * width * COLUMNS..]);
                            self.multiply(weights, width, v, inputs, m);
                        }
                    }
                    self.transform_pairs(job, panel, m, m_element);
                }
            });
        });
    }

    /// Transforms the inputs of each pair of rows; the margins left and right of the map are zero.
    fn transform_rows(&self, job: &Job, v: &mut [u8], row: usize, element: usize) {
        let (g, inputs) = (self.g, self.g.group_inputs());
        let margin = g.window.pad * inputs;
        // In a single group, the values of a row are contiguous.
        let (pixels, channels) = match g.groups {
            1 => (1, g.input.width * inputs),
            _ => (g.input.width, inputs),
        };
        for (i, pair) in job.tiles.clone().enumerate() {
            for e in 0..SIDE {
                let line = &mut v[e * element + i * row..][..row];
                line[..margin].fill(CENTER);
                line[row - margin..].fill(CENTER);
            }
            let from = self.input_rows(pair);
            for pixel in 0..pixels {
                let first = pixel * g.input.channels + job.group * inputs;
                let columns = Columns {
                    x: &self.x[first..],
                    from: &from,
                    channels,
                    zero: f32::from(self.zero),
                    factors: self.factors,
                    v: v[i * row + margin + pixel * inputs..].as_mut_ptr(),
                    element,
                };
                // SAFETY: rows, pixels and channels of the batch; the row ends inside its element; `run_jobs` has
                // checked the machine.
                unsafe { columns.transform(self.isa) };
            }
        }
    }

    /// The offsets of the rows that a pair of output rows sees.
    fn input_rows(&self, pair: usize) -> [usize; SIDE] {
        let (g, image) = (self.g, pair / self.pairs());
        let top = pair % self.pairs() * TILE;
        std::array::from_fn(|i| match (top + i).wrapping_sub(g.window.pad) {
            y if y < g.input.height => (image * g.input.height + y) * g.input.width * g.input.channels,
            _ => NOWHERE,
        })
    }

    /// Computes the outputs of one panel.
    fn transform_pairs(&self, job: &Job, panel: usize, m: &[f32], element: usize) {
        let (output, outputs) = (self.g.output, self.g.group_outputs());
        let first = job.group * outputs + panel * COLUMNS;
        let offsets = &self.offsets[(job.group * self.panels() + panel) * COLUMNS..][..COLUMNS];
        assert!(m.len() >= SIDE * element && element >= job.tiles.len() * output.width * COLUMNS);
        for (i, pair) in job.tiles.clone().enumerate() {
            let (image, top) = (pair / self.pairs(), pair % self.pairs() * TILE);
            let row = (image * output.height + top) * output.width * output.channels + first;
            let count = (output.height - top).min(TILE);
            for x in 0..output.width {
                // SAFETY: the row of M ends inside its element; the outputs are channels of pixels of the batch, and no
                // other job has both these pixels and these channels; `run_jobs` has checked the machine.
                unsafe {
                    let products = Products {
                        m: m[(i * output.width + x) * COLUMNS..].as_ptr(),
                        element,
                        offsets: offsets.as_ptr(),
                        channels: (outputs - panel * COLUMNS).min(COLUMNS),
                        y: self.y.at(row + x * output.channels),
                        row: output.width * output.channels,
                        count,
                    };
                    products.transform(self.isa);
                }
            }
        }
    }
}

/// Contiguous values of the rows that a pair of outputs sees.
struct Columns<'a> {
    x: &'a [u8],
    /// Offsets of the rows.
    from: &'a [usize; SIDE],
    channels: usize,
    /// The zero point of `x`.
    zero: f32,
    /// The factor of each element before it is rounded.
    factors: &'a [f32],
    /// Where the first element is stored.
    v: *mut u8,
    /// Bytes from element to element.
    element: usize,
}

impl Columns<'_> {
    /// Transforms and quantizes the values: `round(B^T (x - zero) factors) + 128`.
    ///
    /// # Safety
    /// The machine supports `isa`; `channels` bytes can be read at each row of `x` and written at each element of `v`.
    unsafe fn transform(&self, isa: Int8Isa) {
        assert!(self.factors.len() == SIDE);
        // SAFETY: guaranteed by the caller.
        unsafe {
            match isa {
                Int8Isa::Portable => self.all_channels::<Four>(),
                #[cfg(target_arch = "x86_64")]
                Int8Isa::Avx2 => x86::columns_avx2(self),
                #[cfg(target_arch = "x86_64")]
                Int8Isa::Avx512 | Int8Isa::Avx512Vnni | Int8Isa::Amx => x86::columns_avx512(self),
                #[cfg(not(target_arch = "x86_64"))]
                Int8Isa::Avx2 | Int8Isa::Avx512 | Int8Isa::Avx512Vnni | Int8Isa::Amx => {
                    self.all_channels::<Four>()
                }
            }
        }
    }

    /// # Safety
    /// As [`Self::transform`].
    #[inline(always)]
    unsafe fn all_channels<V: ByteVector>(&self) {
        let whole = self.channels / V::LANES * V::LANES;
        // SAFETY: guaranteed by the caller.
        unsafe {
            for c in (0..whole).step_by(V::LANES) {
                self.some_channels::<V>(c);
            }
            for c in whole..self.channels {
                self.some_channels::<One>(c);
            }
        }
    }

    /// Transforms the values from `c` on that fill a register.
    ///
    /// # Safety
    /// As [`Self::transform`].
    #[allow(clippy::needless_range_loop)] // Indices mirror the formulas.
    #[inline(always)]
    unsafe fn some_channels<V: ByteVector>(&self, c: usize) {
        // SAFETY: guaranteed by the caller; the number of factors was checked.
        unsafe {
            let mut column = [V::splat(0.0); LONGEST];
            for i in 0..SIDE {
                if self.from[i] != NOWHERE {
                    let value = V::load_bytes(self.x.as_ptr().add(self.from[i] + c));
                    column[i] = value.sub(V::splat(self.zero));
                }
            }
            let mut values = input_line::<F2x5Vertical, V>(&column);
            for e in 0..SIDE {
                values[e] = values[e].mul(V::splat(*self.factors.get_unchecked(e)));
            }
            // Registers are stored in fours: the last two are stored twice.
            let to = |e: usize| self.v.add(e * self.element + c);
            let [v0, v1, v2, v3, v4, v5] = values;
            V::store_centered([v0, v1, v2, v3], [to(0), to(1), to(2), to(3)]);
            V::store_centered([v4, v5, v4, v5], [to(4), to(5), to(4), to(5)]);
        }
    }
}

/// Products of a pair of output pixels, one above the other.
struct Products<T> {
    m: *const f32,
    /// Values from element to element.
    element: usize,
    offsets: *const f32,
    channels: usize,
    y: *mut T,
    /// Values from row to row of `y`.
    row: usize,
    /// Rows that exist: 1 or 2.
    count: usize,
}

impl<T: Value> Products<T> {
    /// Computes the outputs: `finish(A^T m + offsets)`.
    ///
    /// # Safety
    /// The machine supports `isa`; `channels` values can be read at each element of `m` and at `offsets`, and written at
    /// each row of `y`.
    unsafe fn transform(&self, isa: Int8Isa) {
        // SAFETY: guaranteed by the caller.
        unsafe {
            match isa {
                Int8Isa::Portable => self.all_channels::<Four>(),
                #[cfg(target_arch = "x86_64")]
                Int8Isa::Avx2 => x86::products_avx2(self),
                #[cfg(target_arch = "x86_64")]
                Int8Isa::Avx512 | Int8Isa::Avx512Vnni | Int8Isa::Amx => x86::products_avx512(self),
                #[cfg(not(target_arch = "x86_64"))]
                Int8Isa::Avx2 | Int8Isa::Avx512 | Int8Isa::Avx512Vnni | Int8Isa::Amx => {
                    self.all_channels::<Four>()
                }
            }
        }
    }

    /// # Safety
    /// As [`Self::transform`].
    #[inline(always)]
    unsafe fn all_channels<V: ByteVector>(&self) {
        let whole = self.channels / V::LANES * V::LANES;
        // SAFETY: guaranteed by the caller.
        unsafe {
            for c in (0..whole).step_by(V::LANES) {
                self.some_channels::<V>(c);
            }
            for c in whole..self.channels {
                self.some_channels::<One>(c);
            }
        }
    }

    /// # Safety
    /// As [`Self::transform`].
    #[allow(clippy::needless_range_loop)] // Indices mirror the formulas.
    #[inline(always)]
    unsafe fn some_channels<V: ByteVector>(&self, c: usize) {
        // SAFETY: guaranteed by the caller.
        unsafe {
            let mut m = [V::splat(0.0); LONGEST];
            for e in 0..SIDE {
                m[e] = V::load(self.m.add(e * self.element + c));
            }
            let [above, below, ..] = output_line::<F2x5Vertical, V>(&m);
            let offset = V::load(self.offsets.add(c));
            T::store(above.add(offset), self.y.add(c));
            if self.count == TILE {
                T::store(below.add(offset), self.y.add(self.row + c));
            }
        }
    }
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use super::{Columns, Products, Value};
    use std::arch::x86_64::{__m256, __m512};

    #[target_feature(enable = "avx2,fma")]
    pub(super) unsafe fn columns_avx2(columns: &Columns) {
        // SAFETY: guaranteed by the caller.
        unsafe { columns.all_channels::<__m256>() }
    }

    #[target_feature(enable = "avx512f,avx512bw")]
    pub(super) unsafe fn columns_avx512(columns: &Columns) {
        // SAFETY: guaranteed by the caller.
        unsafe { columns.all_channels::<__m512>() }
    }

    #[target_feature(enable = "avx2,fma")]
    pub(super) unsafe fn products_avx2<T: Value>(products: &Products<T>) {
        // SAFETY: guaranteed by the caller.
        unsafe { products.all_channels::<__m256>() }
    }

    #[target_feature(enable = "avx512f,avx512bw")]
    pub(super) unsafe fn products_avx512<T: Value>(products: &Products<T>) {
        // SAFETY: guaranteed by the caller.
        unsafe { products.all_channels::<__m512>() }
    }
}
