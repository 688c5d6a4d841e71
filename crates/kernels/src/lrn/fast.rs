//! Normalization with the paper's exponent 3/4, where the maps fill a register: `y = x (k + alpha sum x^2)^(-3/4)`.
//! Each value is read and written once; intermediate values stay in the first-level cache. Where the maps of a group do not fill
//! their last register, it begins earlier, and shares values with the one before it.

use crate::activation::Epilogue;
use crate::geometry::{NormGeometry, Normalization, Reach};
use crate::isa::Isa;
use crate::scratch;
use crate::simd::{Four, Vector, starts};
use rayon::prelude::*;

/// Values processed together: they, their squares and their products stay in the first-level cache.
const BLOCK: usize = 1536;

/// Whether [`forward`] and [`backward`] support a geometry.
pub(super) fn fits(g: &NormGeometry) -> bool {
    let width = g.maps.channels / g.groups;
    g.constants.beta == 0.75 && (8..=BLOCK).contains(&width) && g.constants.size <= width
}

/// The constants of a call.
#[derive(Clone, Copy)]
struct Line {
    /// Maps of a group.
    width: usize,
    /// Values from group to group in the squares, including margins.
    step: usize,
    before: usize,
    after: usize,
    k: f32,
    alpha: f32,
    /// `2 alpha beta`, the factor of the sum in the gradient.
    slope: f32,
}

impl Line {
    fn of(g: &NormGeometry) -> Self {
        let Reach { before, after } = g.constants.reach();
        let width = g.maps.channels / g.groups;
        let Normalization { k, alpha, .. } = g.constants;
        let slope = (2.0 * alpha * g.constants.beta) as f32;
        let (k, alpha) = (k as f32, alpha as f32);
        Self { width, step: width + before + after, before, after, k, alpha, slope }
    }

    /// Whole groups, about [`BLOCK`] values.
    fn block(&self) -> usize {
        BLOCK / self.width * self.width
    }

    /// Values of a block's squares.
    fn squares(&self) -> usize {
        BLOCK / self.width * self.step
    }

    /// Computes the outputs of a block.
    fn forward(&self, x: &[f32], y: &mut [f32]) {
        scratch::with(self.squares(), |squares| {
            squares.fill(0.0);
            self.run(&mut Block { x, squares, pass: Pass::Forward { y } });
        });
    }

    /// Computes the input gradients of a block.
    fn backward(&self, x: &[f32], dy: &[f32], before: Epilogue, dx: &mut [f32]) {
        let rectified = before == Epilogue::Relu;
        scratch::with(2 * self.squares(), |buffer| {
            buffer.fill(0.0);
            let (squares, products) = buffer.split_at_mut(self.squares());
            self.run(&mut Block { x, squares, pass: Pass::Backward { dy, dx, products, rectified } });
        });
    }

    /// Runs `work` with registers that the groups fill.
    fn run(&self, work: &mut Block) {
        // SAFETY: `current` only returns sets that the machine supports; the slices belong to one block.
        unsafe {
            match Isa::current() {
                #[cfg(target_arch = "x86_64")]
                Isa::Avx512 | Isa::Amx if self.width.is_multiple_of(16) => x86::avx512(self, work),
                #[cfg(target_arch = "x86_64")]
                Isa::Avx2 | Isa::Avx512 | Isa::Amx => x86::avx2(self, work),
                _ if self.width.is_multiple_of(4) => work.run::<Four, true>(self),
                _ => work.run::<Four, false>(self),
            }
        }
    }
}

/// `y = x s^(-3/4)`.
pub(super) fn forward(g: &NormGeometry, x: &[f32], y: &mut [f32]) {
    let line = Line::of(g);
    let blocks = x.par_chunks(line.block()).zip(y.par_chunks_mut(line.block()));
    blocks.for_each(|(x, y)| line.forward(x, y));
}

/// [`forward`] on the calling thread alone.
pub(super) fn forward_sequential(g: &NormGeometry, x: &[f32], y: &mut [f32]) {
    let line = Line::of(g);
    x.chunks(line.block()).zip(y.chunks_mut(line.block())).for_each(|(x, y)| line.forward(x, y));
}

/// The gradient of [`forward`], passed through the rectifier that produced `x` if `before` is one.
pub(super) fn backward(g: &NormGeometry, x: &[f32], dy: &[f32], before: Epilogue, dx: &mut [f32]) {
    let line = Line::of(g);
    let block = line.block();
    let blocks = x.par_chunks(block).zip(dy.par_chunks(block)).zip(dx.par_chunks_mut(block));
    blocks.for_each(|((x, dy), dx)| line.backward(x, dy, before, dx));
}

/// [`backward`] on the calling thread alone.
pub(super) fn backward_sequential(g: &NormGeometry, x: &[f32], dy: &[f32], before: Epilogue, dx: &mut [f32]) {
    let line = Line::of(g);
    let block = line.block();
    let blocks = x.chunks(block).zip(dy.chunks(block)).zip(dx.chunks_mut(block));
    blocks.for_each(|((x, dy), dx)| line.backward(x, dy, before, dx));
}

/// A block of whole groups.
struct Block<'a> {
    x: &'a [f32],
    squares: &'a mut [f32],
    pass: Pass<'a>,
}

enum Pass<'a> {
    Forward {
        y: &'a mut [f32],
    },
    /// If `x` was rectified, `dx` is 0 where `x` is not positive.
    Backward {
        dy: &'a [f32],
        dx: &'a mut [f32],
        products: &'a mut [f32],
        rectified: bool,
    },
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use super::{Block, Line};
    use std::arch::x86_64::{__m256, __m512};

    #[target_feature(enable = "avx2,fma")]
    pub(super) unsafe fn avx2(line: &Line, block: &mut Block) {
        // SAFETY: guaranteed by the caller.
        unsafe {
            match line.width.is_multiple_of(8) {
                true => block.run::<__m256, true>(line),
                false => block.run::<__m256, false>(line),
            }
        }
    }

    #[target_feature(enable = "avx512f")]
    pub(super) unsafe fn avx512(line: &Line, block: &mut Block) {
        // SAFETY: guaranteed by the caller.
        unsafe { block.run::<__m512, true>(line) }
    }
}

impl Block<'_> {
    /// `WHOLE` says that the maps of a group fill their last register.
    ///
    /// # Safety
    /// The machine supports the instructions; slices have the length of `x` or of its squares.
    #[inline(always)]
    unsafe fn run<V: Vector, const WHOLE: bool>(&mut self, line: &Line) {
        let groups = self.x.len() / line.width;
        // The window of a map starts `before` maps earlier, so the squares of a group start `before` values later.
        // SAFETY: each loop stays inside a group of `width` values or inside its squares and their margins.
        unsafe {
            for group in 0..groups {
                let x = self.x.as_ptr().add(group * line.width);
                let squares = self.squares.as_mut_ptr().add(group * line.step + line.before);
                for c in starts::<V, WHOLE>(line.width) {
                    let x = V::load(x.add(c));
                    x.mul(x).store(squares.add(c));
                }
            }
            let (k, alpha) = (V::splat(line.k), V::splat(line.alpha));
            match &mut self.pass {
                Pass::Forward { y } => {
                    for group in 0..groups {
                        let x = self.x.as_ptr().add(group * line.width);
                        let y = y.as_mut_ptr().add(group * line.width);
                        let squares = self.squares.as_ptr().add(group * line.step);
                        for c in starts::<V, WHOLE>(line.width) {
                            let s = window::<V>(squares.add(c), line.before, line.after).mul_add(alpha, k);
                            let [factor, _] = s.inverse_powers();
                            V::load(x.add(c)).mul(factor).store(y.add(c));
                        }
                    }
                }
                Pass::Backward { dy, dx, products, rectified } => {
                    for group in 0..groups {
                        let (at, margin) = (group * line.width, group * line.step);
                        let (x, dy) = (self.x.as_ptr().add(at), dy.as_ptr().add(at));
                        let (dx, squares) = (dx.as_mut_ptr().add(at), self.squares.as_ptr().add(margin));
                        // The windows that contain an element mirror its own.
                        let products = products.as_mut_ptr().add(margin + line.after);
                        for c in starts::<V, WHOLE>(line.width) {
                            let s = window::<V>(squares.add(c), line.before, line.after).mul_add(alpha, k);
                            let [factor, inverse] = s.inverse_powers();
                            let scaled = V::load(dy.add(c)).mul(factor);
                            scaled.store(dx.add(c));
                            scaled.mul(V::load(x.add(c))).mul(inverse).store(products.add(c));
                        }
                    }
                    let (slope, rectified) = (V::splat(-line.slope), *rectified);
                    for group in 0..groups {
                        let (at, margin) = (group * line.width, group * line.step);
                        let (x, dx) = (self.x.as_ptr().add(at), dx.as_mut_ptr().add(at));
                        let products = products.as_ptr().add(margin);
                        // Of the last register, the one before it replaces values.
                        let last = line.width - V::LANES;
                        let last_scaled = if WHOLE { V::splat(0.0) } else { V::load(dx.add(last)) };
                        for c in starts::<V, WHOLE>(line.width) {
                            let sum = window::<V>(products.add(c), line.after, line.before);
                            let x = V::load(x.add(c));
                            let scaled = if !WHOLE && c == last { last_scaled } else { V::load(dx.add(c)) };
                            let gradient = sum.mul(x).mul_add(slope, scaled);
                            let gradient = if rectified { gradient.where_positive(x) } else { gradient };
                            gradient.store(dx.add(c));
                        }
                    }
                }
            }
        }
    }
}

/// The sums of the windows that start at consecutive values from `values` on, one per lane.
#[inline(always)]
unsafe fn window<V: Vector>(values: *const f32, before: usize, after: usize) -> V {
    // SAFETY: guaranteed by the caller.
    unsafe {
        // The paper's window of 5, unrolled.
        if (before, after) == (2, 2) {
            let load = |i: usize| V::load(values.add(i));
            return load(0).add(load(1)).add(load(2)).add(load(3)).add(load(4));
        }
        let mut sum = V::load(values);
        for i in 1..=before + after {
            sum = sum.add(V::load(values.add(i)));
        }
        sum
    }
}
