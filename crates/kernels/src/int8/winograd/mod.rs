//! Winograd's algorithms with quantized operands: `y = A^T (sum (G w G^T) * (B^T x B)) A`.

mod algorithm;
mod convolve;
mod matrices;
mod pass;
mod scalar;
mod tiles;
mod transform;
mod vertical;
mod weights;

pub use algorithm::Algorithm;
pub(super) use matrices::Square;
pub(super) use pass::Winograd;
pub use weights::WinogradWeights;
