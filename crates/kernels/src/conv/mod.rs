//! Convolution in groups that do not see each other (paper, section 3.5: the two columns of figure 2).
//!
//! `y[b, oy, ox, o] = bias[o] + sum over ky, kx, i of w[ky, kx, i, o] x[b, oy s - p + ky, ox s - p + kx, i]`,
//! with zeros outside the map, for stride `s` and padding `p`.
//!
//! Where they need enough fewer multiplications, Winograd's algorithms are used. They mix all values of a tile, so an
//! infinity or NaN spoils outputs that do not depend on it; a pass with such a result is repeated granule by granule,
//! directly where necessary.
//!
//! With AMX, convolutions of bfloat16 values are products of tiles that are read where the values are (`tiled`), if their channels
//! fill tiles.
//!
//! Otherwise all three passes are matrix products over patches that are packed straight from the maps, without an
//! intermediate copy (implicit im2col). The zeros outside the map are multiplied like any other value: with an infinite
//! weight they give NaN.
//!
//! # Shapes
//! `x, dx: [batch, input]`, `y, dy: [batch, output]`, `bias, dbias: [output.channels]`,
//! `w, dw: [groups, kernel, kernel, group_inputs, group_outputs]`.

mod direct;
pub mod reference;
mod tiled;
mod unpacked;

use crate::activation::Epilogue;
use crate::geometry::{ConvGeometry, Maps};
use crate::micro_batch::{AccumulatorParts, GradAccumulator, MicroBatch};
use crate::precision::Precision;
use crate::reduce::{add_rows, narrow};
use crate::scratch;
use crate::slices::check_len;
use crate::winograd::Winograd;
use std::ops::Range;
use tiled::Tiled;

/// `y = bias + sum w x`, then the epilogue.
///
/// # Panics
/// If a slice's length does not match the geometry.
pub fn forward(
    g: &ConvGeometry,
    precision: Precision,
    micro_batch: impl Into<MicroBatch>,
    x: &[f32],
    w: &[f32],
    bias: &[f32],
    epilogue: Epilogue,
    y: &mut [f32],
) {
    let micro_batch = micro_batch.into();
    check_len!(x, micro_batch.images(), g.input.len());
    check_len!(w, g.weights());
    check_len!(bias, g.output.channels);
    check_len!(y, micro_batch.images(), g.output.len());
    if let Some(tiled) = Tiled::select(g, precision) {
        return scratch::with(tiled.packed_weights(), |packed| {
            tiled.pack(w, packed);
            tiled.forward(x, packed, Some(bias), epilogue, y);
        });
    }
    winograd_or_direct(
        micro_batch,
        |images| Winograd::select(g, precision, images),
        |winograd, images| {
            let (x, y) = (&x[span(&images, g.input)], &mut y[span(&images, g.output)]);
            match winograd {
                Some(winograd) => winograd.forward(x, w, bias, epilogue, y),
                None => {
                    direct::forward(g, precision, images.len(), x, w, bias, epilogue, y);
                    true
                }
            }
        },
    );
}

/// Values that [`transform_weights`] writes; 0 if a pass of `batch` images does not transform the weights.
pub fn transformed_len(g: &ConvGeometry, precision: Precision, batch: usize) -> usize {
    match Tiled::select(g, precision) {
        Some(tiled) => tiled.packed_weights(),
        None => Winograd::select(g, precision, batch.into()).map_or(0, |one| one.transformed_weights()),
    }
}

/// Transforms weights for [`forward_transformed`], once instead of in every pass.
///
/// # Panics
/// If a slice's length does not match the geometry.
pub fn transform_weights(
    g: &ConvGeometry,
    precision: Precision,
    batch: usize,
    w: &[f32],
    transformed: &mut [f32],
) {
    check_len!(w, g.weights());
    check_len!(transformed, transformed_len(g, precision, batch));
    if let Some(tiled) = Tiled::select(g, precision) {
        tiled.pack(w, transformed);
    } else if let Some(winograd) = Winograd::select(g, precision, batch.into()) {
        winograd.transform(w, transformed);
    }
}

/// Weights for [`forward_transformed`].
#[derive(Clone, Copy, Debug)]
pub struct ConvWeights<'a> {
    /// The weights themselves.
    pub direct: &'a [f32],
    /// Their transform by [`transform_weights`], for a batch of any size.
    pub transformed: &'a [f32],
}

/// [`forward`] with weights that were transformed before. If they were transformed for a batch with another algorithm, which their
/// length shows, the product is direct, and slower.
///
/// # Panics
/// If a slice's length does not match the geometry.
pub fn forward_transformed(
    g: &ConvGeometry,
    precision: Precision,
    micro_batch: impl Into<MicroBatch>,
    x: &[f32],
    weights: ConvWeights,
    bias: &[f32],
    epilogue: Epilogue,
    y: &mut [f32],
) {
    let micro_batch = micro_batch.into();
    let ConvWeights { direct: w, transformed } = weights;
    check_len!(x, micro_batch.images(), g.input.len());
    check_len!(w, g.weights());
    check_len!(bias, g.output.channels);
    check_len!(y, micro_batch.images(), g.output.len());
    if let Some(tiled) = Tiled::select(g, precision) {
        return tiled.forward(x, transformed, Some(bias), epilogue, y);
    }
    winograd_or_direct(
        micro_batch,
        |images| Winograd::select_transformed(g, precision, images, transformed.len()),
        |winograd, images| {
            let (x, y) = (&x[span(&images, g.input)], &mut y[span(&images, g.output)]);
            match winograd {
                Some(winograd) => winograd.forward_transformed(x, transformed, bias, epilogue, y),
                None => {
                    direct::forward(g, precision, images.len(), x, w, bias, epilogue, y);
                    true
                }
            }
        },
    );
}

/// `dx[b, iy, ix, i] = sum over ky, kx, o of w[ky, kx, i, o] dy[b, oy, ox, o]`, where output `(oy, ox)` saw input
/// `(iy, ix)` through tap `(ky, kx)` in the forward pass.
///
/// # Panics
/// If a slice's length does not match the geometry.
pub fn backward_input(
    g: &ConvGeometry,
    precision: Precision,
    micro_batch: impl Into<MicroBatch>,
    dy: &[f32],
    w: &[f32],
    dx: &mut [f32],
) {
    let micro_batch = micro_batch.into();
    check_len!(dy, micro_batch.images(), g.output.len());
    check_len!(w, g.weights());
    check_len!(dx, micro_batch.images(), g.input.len());
    if let Some(tiled) = Tiled::select_input_gradient(g, precision) {
        return scratch::with(tiled.packed_weights(), |packed| {
            tiled.pack_rotated(w, packed);
            tiled.forward(dy, packed, None, Epilogue::Identity, dx);
        });
    }
    winograd_or_direct(
        micro_batch,
        |images| Winograd::select_input_gradient(g, precision, images),
        |winograd, images| {
            let (dy, dx) = (&dy[span(&images, g.output)], &mut dx[span(&images, g.input)]);
            match winograd {
                Some(winograd) => winograd.backward_input(dy, w, dx),
                None => {
                    direct::backward_input(g, precision, images.len(), dy, w, dx);
                    true
                }
            }
        },
    );
}

/// `dw[ky, kx, i, o] = sum over b, oy, ox of x[b, oy s - p + ky, ox s - p + kx, i] dy[b, oy, ox, o]` and
/// `dbias[o] = sum over b, oy, ox of dy[b, oy, ox, o]`.
///
/// # Panics
/// If a slice's length does not match the geometry.
pub fn backward_weights(
    g: &ConvGeometry,
    precision: Precision,
    batch: usize,
    x: &[f32],
    dy: &[f32],
    dw: &mut [f32],
    dbias: &mut [f32],
) {
    accumulate_gradients(g, precision, batch.into(), x, dy, dw, dbias, &mut GradAccumulator::default());
}

/// Values of the buffer of a [`GradAccumulator`] for batches of up to `batch` images.
pub fn accumulator_len(g: &ConvGeometry, precision: Precision, batch: usize) -> usize {
    Winograd::most_gradient_sums(g, precision, batch)
}

/// [`backward_weights`] for one micro-batch. Call it for each micro-batch of a batch in order, with the same `dw`,
/// `dbias` and `accumulator`; after the last call the gradients are those of the batch, to the bit. If they are not all
/// finite, more of them may be non-finite than those of the whole batch at once.
///
/// # Shapes
/// `x` and `dy` hold the images of the micro-batch. A whole batch needs no buffer in `accumulator`.
///
/// # Panics
/// If a slice's length does not match the geometry, or the micro-batch does not end at a multiple of
/// [`granule`](crate::micro_batch::granule) for the precision.
pub fn accumulate_gradients(
    g: &ConvGeometry,
    precision: Precision,
    micro_batch: MicroBatch,
    x: &[f32],
    dy: &[f32],
    dw: &mut [f32],
    dbias: &mut [f32],
    accumulator: &mut GradAccumulator,
) {
    micro_batch.check(precision);
    check_len!(x, micro_batch.images(), g.input.len());
    check_len!(dy, micro_batch.images(), g.output.len());
    check_len!(dw, g.weights());
    check_len!(dbias, g.output.channels);
    if let Some(tiled) = Tiled::select(g, precision) {
        let biases = accumulator.biases(micro_batch, g.output.channels);
        add_rows(dy, g.output.pixels(), biases);
        narrow(biases, dbias);
        return tiled.accumulate_weights(micro_batch.is_first(), x, dy, dw);
    }
    let Some(winograd) = Winograd::select(g, precision, micro_batch) else {
        return direct::accumulate_gradients(g, precision, micro_batch, x, dy, dw, dbias, accumulator);
    };
    let add = |u: &mut [f32], biases: &mut [f64], dw: &mut [f32], dbias: &mut [f32]| {
        winograd.add_gradient(x, dy, u, biases);
        if !micro_batch.is_last() {
            return true;
        }
        let scale = winograd.bias_scale();
        dbias.iter_mut().zip(biases).for_each(|(dbias, sum)| *dbias = (*sum * scale) as f32);
        winograd.finish_gradient(u, dw)
    };
    let len = winograd.gradient_sums();
    if !micro_batch.is_whole() {
        let AccumulatorParts { winograd, biases } = accumulator.parts(micro_batch, g.output.channels);
        add(&mut winograd[..len], biases, dw, dbias);
        return;
    }
    let is_finite =
        scratch::with(len, |u| add(u, accumulator.biases(micro_batch, g.output.channels), dw, dbias));
    if !is_finite {
        direct::accumulate_gradients(g, precision, micro_batch, x, dy, dw, dbias, accumulator);
    }
}

/// Runs a pass with the algorithm that `select` returns for a micro-batch, or directly if it returns none.
///
/// `pass` returns whether its results are finite. If not, it is repeated for each granule alone, so that the bits of an
/// image do not depend on other granules, and directly for the granules whose results are still not finite.
fn winograd_or_direct(
    micro_batch: MicroBatch,
    select: impl Fn(MicroBatch) -> Option<Winograd>,
    mut pass: impl FnMut(Option<Winograd>, Range<usize>) -> bool,
) {
    if micro_batch.images() == 0 {
        return;
    }
    let algorithm = select(micro_batch);
    let is_direct = algorithm.is_none();
    if pass(algorithm, 0..micro_batch.images()) || is_direct {
        return;
    }
    for granule in micro_batch.granules() {
        let (first, range) = (micro_batch.range().start, granule.range());
        let images = range.start - first..range.end - first;
        let algorithm = select(granule);
        if !algorithm.is_some_and(|algorithm| pass(Some(algorithm), images.clone())) {
            pass(None, images);
        }
    }
}

/// The values of some images.
fn span(images: &Range<usize>, maps: Maps) -> Range<usize> {
    images.start * maps.len()..images.end * maps.len()
}
