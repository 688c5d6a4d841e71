//! Pooling.
pub mod reference;
use crate::geometry::PoolGeometry;
use rayon::prelude::*;
/// Max.
pub fn max_forward(g: &PoolGeometry, _batch: usize, x: &[f32], y: &mut [f32]) {
    x.par_chunks(g.input.len())
        .zip(y.par_chunks_mut(g.output.len()))
        .for_each(|(x, y)| reference::max_forward(g, 1, x, y));
}
/// Max.
pub fn max_backward(g: &PoolGeometry, _batch: usize, x: &[f32], dy: &[f32], dx: &mut [f32]) {
    x.par_chunks(g.input.len())
        .zip(dy.par_chunks(g.output.len()))
        .zip(dx.par_chunks_mut(g.input.len()))
        .for_each(|((x, dy), dx)| reference::max_backward(g, 1, x, dy, dx));
}
/// Avg.
pub fn avg_forward(g: &PoolGeometry, _batch: usize, x: &[f32], y: &mut [f32]) {
    x.par_chunks(g.input.len())
        .zip(y.par_chunks_mut(g.output.len()))
        .for_each(|(x, y)| reference::avg_forward(g, 1, x, y));
}
/// Avg.
pub fn avg_backward(g: &PoolGeometry, _batch: usize, dy: &[f32], dx: &mut [f32]) {
    dy.par_chunks(g.output.len())
        .zip(dx.par_chunks_mut(g.input.len()))
        .for_each(|(dy, dx)| reference::avg_backward(g, 1, dy, dx));
}
