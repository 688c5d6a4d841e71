//! Max pooling of bytes.

use super::reference;
use crate::geometry::PoolGeometry;
use crate::slices::check_len;

/// `y = max x` over the window; input and output share one [`super::Quantizer`]. Pixels outside the map are ignored.
///
/// # Shapes
/// `x: [batch, input]`, `y: [batch, output]`.
///
/// # Panics
/// If a slice's length does not match the geometry.
pub fn max_pool(g: &PoolGeometry, batch: usize, x: &[u8], y: &mut [u8]) {
    check_len!(x, batch * g.input.len());
    check_len!(y, batch * g.output.len());
    reference::max_pool(g, batch, x, y);
}
