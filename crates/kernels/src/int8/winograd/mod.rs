//! Winograd's algorithms with quantized operands: `y = A^T (sum (G w G^T) * (B^T x B)) A`.

mod algorithm;
mod matrices;
mod scalar;

pub use algorithm::Algorithm;
pub(super) use matrices::Square;
