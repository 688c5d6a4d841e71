//! Max pooling of bytes.

use crate::geometry::PoolGeometry;
use crate::isa::multiversioned;
use crate::slices::check_len;
use rayon::prelude::*;

/// Channels whose maxima are kept in registers.
const LANES: usize = 64;

/// `y = max x` over the window; input and output share one [`super::Quantizer`]. Pixels outside the map are ignored.
///
/// # Shapes
/// `x: [batch, input]`, `y: [batch, output]`.
///
/// # Panics
/// If a slice's length does not match the geometry.
pub fn max_pool(g: &PoolGeometry, batch: usize, x: &[u8], y: &mut [u8]) {
    check_len!(x, batch, g.input.len());
    check_len!(y, batch, g.output.len());
    let rows = y.par_chunks_exact_mut(g.output.width * g.output.channels).enumerate();
    rows.for_each(|(row, y)| {
        let (image, oy) = (row / g.output.height, row % g.output.height);
        pool_row(g, &x[image * g.input.len()..][..g.input.len()], oy, y);
    });
}

multiversioned! {
    /// Pools one row of the output.
    fn pool_row(g: &PoolGeometry, x: &[u8], oy: usize, y: &mut [u8]) {
        let channels = g.output.channels;
        for (ox, y) in y.chunks_exact_mut(channels).enumerate() {
            let (blocks, rest) = y.as_chunks_mut::<LANES>();
            let done = blocks.len() * LANES;
            for (i, block) in blocks.iter_mut().enumerate() {
                *block = largest(g, x, oy, ox, i * LANES);
            }
            let (blocks, rest) = rest.as_chunks_mut::<16>();
            let single = done + blocks.len() * 16;
            for (i, block) in blocks.iter_mut().enumerate() {
                *block = largest(g, x, oy, ox, done + i * 16);
            }
            for (i, y) in rest.iter_mut().enumerate() {
                [*y] = largest(g, x, oy, ox, single + i);
            }
        }
    }
}

/// The largest bytes of a window in `N` channels from `first` on.
#[inline(always)]
fn largest<const N: usize>(g: &PoolGeometry, x: &[u8], oy: usize, ox: usize, first: usize) -> [u8; N] {
    let mut largest = [0; N];
    let columns = g.window.covered(ox, g.input.width);
    for iy in g.window.covered(oy, g.input.height) {
        for ix in columns.clone() {
            let x = &x[(iy * g.input.width + ix) * g.input.channels + first..][..N];
            for (largest, &x) in largest.iter_mut().zip(x) {
                *largest = x.max(*largest);
            }
        }
    }
    largest
}
