//! Response normalisation.
pub mod reference;
use crate::geometry::NormGeometry;
use rayon::prelude::*;
/// Forward.
pub fn forward(g: &NormGeometry, _batch: usize, x: &[f32], y: &mut [f32]) {
    let n = g.maps.len();
    x.par_chunks(n).zip(y.par_chunks_mut(n)).for_each(|(x, y)| reference::forward(g, 1, x, y));
}
/// Backward.
pub fn backward(g: &NormGeometry, _batch: usize, x: &[f32], dy: &[f32], dx: &mut [f32]) {
    let n = g.maps.len();
    x.par_chunks(n)
        .zip(dy.par_chunks(n))
        .zip(dx.par_chunks_mut(n))
        .for_each(|((x, dy), dx)| reference::backward(g, 1, x, dy, dx));
}
