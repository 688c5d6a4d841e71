//! Locally connected layers: a convolution whose kernels are not shared between positions (cuda-convnet's `local`).
//!
//! `w`: `[oh * ow, groups, k, k, in / groups, out / groups]`, `bias`: `[oh, ow, out]`.

pub mod reference;
pub use stub::*;
mod stub {
    use super::reference;
    use crate::geometry::ConvGeometry;
    use rayon::prelude::*;
    /// Forward.
    pub fn forward(g: &ConvGeometry, _batch: usize, x: &[f32], w: &[f32], bias: &[f32], y: &mut [f32]) {
        x.par_chunks(g.input.len())
            .zip(y.par_chunks_mut(g.output.len()))
            .for_each(|(x, y)| reference::forward(g, 1, x, w, bias, y));
    }
    /// Input gradient.
    pub fn backward_input(g: &ConvGeometry, _batch: usize, dy: &[f32], w: &[f32], dx: &mut [f32]) {
        dx.par_chunks_mut(g.input.len())
            .zip(dy.par_chunks(g.output.len()))
            .for_each(|(dx, dy)| reference::backward_input(g, 1, dy, w, dx));
    }
    pub use super::reference::backward_weights;
}
