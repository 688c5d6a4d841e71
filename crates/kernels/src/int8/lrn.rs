//! Response normalization across maps, from bytes to bytes.

use super::isa::Int8Isa;
use super::power::GUESS;
use super::quantizer::Quantizer;
use super::reference;
use super::vector::{ByteVector, One};
use crate::geometry::NormGeometry;
use crate::scratch;
use crate::simd::{Four, LINE};
use crate::slices::{GRAIN, check_len};
use rayon::prelude::*;

/// The longest window whose sum of squares is exact in `f32`.
const LONGEST_WINDOW: usize = (1 << 24) / (255 * 255);

/// Groups of channels that are processed together.
const LINES: usize = 32;

/// A window of any size.
const ANY: usize = 0;

/// A response normalization (see [`crate::lrn`]) between quantized activations.
#[derive(Clone, Debug)]
pub struct QuantizedLrn {
    g: NormGeometry,
    input: Quantizer,
    output: Quantizer,
    isa: Int8Isa,
}

/// The constants of `y = (x - zero) ratio (k + alpha sum (x - zero)^2)^-0.75 + output`.
struct Constants {
    zero: f32,
    ratio: f32,
    k: f32,
    alpha: f32,
    output: f32,
}

impl QuantizedLrn {
    /// A normalization from activations of `input` to those of `output`.
    pub fn new(g: &NormGeometry, input: Quantizer, output: Quantizer) -> Self {
        Self { g: *g, input, output, isa: Int8Isa::current() }
    }

    /// The same normalization with other instructions than [`Int8Isa::current`].
    ///
    /// # Panics
    /// If the machine does not support them.
    pub fn with_isa(self, isa: Int8Isa) -> Self {
        assert!(isa.is_available(), "this machine does not support {}", isa.name());
        Self { isa, ..self }
    }

    /// `y = x (k + alpha sum x^2)^-beta`. Exponents other than the paper's 0.75 are slow.
    ///
    /// # Shapes
    /// `x, y: [batch, maps]`.
    ///
    /// # Panics
    /// If a slice's length does not match the geometry.
    pub fn forward(&self, batch: usize, x: &[u8], y: &mut [u8]) {
        let maps = self.g.maps;
        check_len!(x, batch, maps.len());
        check_len!(y, batch, maps.len());
        let len = (GRAIN / maps.channels).max(1) * maps.channels;
        let is_fast = self.g.constants.beta == 0.75 && self.g.constants.size <= LONGEST_WINDOW;
        y.par_chunks_mut(len).zip(x.par_chunks(len)).for_each(|(y, x)| match is_fast {
            true => self.pixels(x, y),
            false => reference::lrn(&self.g, x, [self.input, self.output], y),
        });
    }

    /// Normalizes whole pixels.
    fn pixels(&self, x: &[u8], y: &mut [u8]) {
        let windows = Windows::new(&self.g);
        scratch::with(LINES * windows.line, |squares| {
            squares.fill(0.0);
            // SAFETY: `with_isa` and `current` only accept sets that the machine supports.
            unsafe {
                match self.isa {
                    Int8Isa::Portable => self.pixels_by::<Four>(&windows, x, squares, y),
                    #[cfg(target_arch = "x86_64")]
                    Int8Isa::Avx2 => x86::avx2(self, &windows, x, squares, y),
                    #[cfg(target_arch = "x86_64")]
                    Int8Isa::Avx512 | Int8Isa::Avx512Vnni | Int8Isa::Amx => {
                        x86::avx512(self, &windows, x, squares, y)
                    }
                    #[cfg(not(target_arch = "x86_64"))]
                    Int8Isa::Avx2 | Int8Isa::Avx512 | Int8Isa::Avx512Vnni | Int8Isa::Amx => {
                        self.pixels_by::<Four>(&windows, x, squares, y)
                    }
                }
            }
        });
    }

    /// `squares` has room for [`LINES`] lines, whose margins are zero.
    ///
    /// # Safety
    /// The machine supports the vector's instructions.
    #[inline(always)]
    unsafe fn pixels_by<V: ByteVector>(
        &self,
        windows: &Windows,
        x: &[u8],
        squares: &mut [f32],
        y: &mut [u8],
    ) {
        let &Windows { width, start, before, after, line } = windows;
        let constants = Constants {
            zero: f32::from(self.input.zero),
            ratio: self.input.scale / self.output.scale,
            k: self.g.constants.k as f32,
            alpha: (self.g.constants.alpha * f64::from(self.input.scale) * f64::from(self.input.scale))
                as f32,
            output: f32::from(self.output.zero),
        };
        // The squares of many groups are computed before they are read: a vector that was stored in two pieces is slow
        // to load at once.
        for (x, y) in x.chunks(LINES * width).zip(y.chunks_mut(LINES * width)) {
            for (x, squares) in x.chunks_exact(width).zip(squares.chunks_exact_mut(line)) {
                // SAFETY: guaranteed by the caller.
                unsafe { square::<V>(constants.zero, x, &mut squares[start..start + width]) };
            }
            let lines = squares.chunks_exact(line);
            for ((x, squares), y) in x.chunks_exact(width).zip(lines).zip(y.chunks_exact_mut(width)) {
                let squares = &squares[start - before..start + width + after];
                // SAFETY: guaranteed by the caller.
                unsafe {
                    match self.g.constants.size {
                        5 if width >= 5 => normalize::<V, 5>(&constants, x, squares, y),
                        _ => normalize::<V, ANY>(&constants, x, squares, y),
                    }
                }
            }
        }
    }
}

/// Where the squares of a group lie: between zeros, so that every window is complete, from the start of a cache line on.
struct Windows {
    /// Channels of a group.
    width: usize,
    /// The first square.
    start: usize,
    /// Zeros before and after the squares that windows reach.
    before: usize,
    after: usize,
    /// Values from group to group.
    line: usize,
}

impl Windows {
    fn new(g: &NormGeometry) -> Self {
        let (width, reach) = (g.maps.channels / g.groups, g.constants.reach());
        // A window wider than the maps sees all of them, whatever its size.
        let (before, after) = (reach.before.min(width), reach.after.min(width));
        let start = before.next_multiple_of(LINE);
        Self { width, start, before, after, line: (start + width + after).next_multiple_of(LINE) }
    }
}

/// `squares = (x - zero)^2`
///
/// # Safety
/// The machine supports the vector's instructions.
#[inline(always)]
unsafe fn square<V: ByteVector>(zero: f32, x: &[u8], squares: &mut [f32]) {
    let whole = x.len() / V::LANES * V::LANES;
    assert!(squares.len() == x.len());
    // SAFETY: every vector lies in the slices; the instructions are guaranteed by the caller.
    unsafe {
        for i in (0..whole).step_by(V::LANES) {
            let difference = V::load_bytes(x.as_ptr().add(i)).sub(V::splat(zero));
            difference.mul(difference).store(squares.as_mut_ptr().add(i));
        }
    }
    for (square, &x) in squares[whole..].iter_mut().zip(&x[whole..]) {
        *square = (f32::from(x) - zero) * (f32::from(x) - zero);
    }
}

/// Normalizes a group. The window of channel `i` are the `squares` from `i` on, `SIZE` of them or, for [`ANY`], as many
/// as leave one window per channel.
///
/// # Safety
/// The machine supports the vector's instructions.
#[inline(always)]
unsafe fn normalize<V: ByteVector, const SIZE: usize>(
    constants: &Constants,
    x: &[u8],
    squares: &[f32],
    y: &mut [u8],
) {
    let size = if SIZE == ANY { squares.len() + 1 - x.len() } else { SIZE };
    assert!(y.len() == x.len() && squares.len() + 1 == x.len() + size);
    let whole = x.len() / V::LANES * V::LANES;
    // SAFETY: the window of the last channel ends with `squares`; the instructions are guaranteed by the caller.
    unsafe {
        for i in (0..whole).step_by(V::LANES) {
            some_channels::<V>(
                constants,
                x.as_ptr().add(i),
                squares.as_ptr().add(i),
                size,
                y.as_mut_ptr().add(i),
            );
        }
        for i in whole..x.len() {
            some_channels::<One>(
                constants,
                x.as_ptr().add(i),
                squares.as_ptr().add(i),
                size,
                y.as_mut_ptr().add(i),
            );
        }
    }
}

/// Normalizes the channels of a register.
///
/// # Safety
/// The machine supports the vector's instructions; `x`, `y` and `size` windows can be accessed for all of its lanes.
#[inline(always)]
unsafe fn some_channels<V: ByteVector>(
    constants: &Constants,
    x: *const u8,
    squares: *const f32,
    size: usize,
    y: *mut u8,
) {
    // SAFETY: guaranteed by the caller.
    unsafe {
        let mut sum = V::load(squares);
        for j in 1..size {
            sum = sum.add(V::load(squares.add(j)));
        }
        let s = V::splat(constants.alpha).mul(sum).add(V::splat(constants.k));
        let root = newton(s, newton(s, s.guess_root(GUESS)));
        let factor = root.mul(root).mul(root);
        let difference = V::load_bytes(x).sub(V::splat(constants.zero));
        let value = difference.mul(V::splat(constants.ratio)).mul(factor);
        value.add(V::splat(constants.output)).store_bytes(y);
    }
}

/// A step of Newton's method for the inverse fourth root, as in [`super::power`].
///
/// # Safety
/// The machine supports the vector's instructions.
#[inline(always)]
unsafe fn newton<V: ByteVector>(s: V, root: V) -> V {
    // SAFETY: guaranteed by the caller.
    unsafe {
        let square = root.mul(root);
        let quarter = V::splat(0.25).mul(s);
        root.mul(V::splat(1.25).sub(quarter.mul(square.mul(square))))
    }
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use super::{QuantizedLrn, Windows};
    use std::arch::x86_64::{__m256, __m512};

    #[target_feature(enable = "avx2,fma")]
    pub(super) unsafe fn avx2(
        lrn: &QuantizedLrn,
        windows: &Windows,
        x: &[u8],
        squares: &mut [f32],
        y: &mut [u8],
    ) {
        // SAFETY: guaranteed by the caller.
        unsafe { lrn.pixels_by::<__m256>(windows, x, squares, y) }
    }

    #[target_feature(enable = "avx512f,avx512bw")]
    pub(super) unsafe fn avx512(
        lrn: &QuantizedLrn,
        windows: &Windows,
        x: &[u8],
        squares: &mut [f32],
        y: &mut [u8],
    ) {
        // SAFETY: guaranteed by the caller.
        unsafe { lrn.pixels_by::<__m512>(windows, x, squares, y) }
    }
}
