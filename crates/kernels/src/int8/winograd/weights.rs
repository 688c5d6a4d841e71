//! Quantized weights of an algorithm.

use super::algorithm::Algorithm;

/// Weights transformed by [`Algorithm::transform_weights`], then quantized.
#[derive(Clone, Copy, Debug)]
pub struct WinogradWeights<'a> {
    /// The algorithm.
    pub algorithm: Algorithm,
    /// `[groups][elements][depth][group_outputs]`; see [`Algorithm::depth`].
    pub values: &'a [i8],
    /// One scale per element and output channel, `[elements][output.channels]`.
    pub scales: &'a [f32],
    /// One scale per element of the transformed inputs, positive: the transformed activation `v` is quantized as
    /// `v / scale`, from -128 to 127. See [`Algorithm::input_maxima`].
    pub input_scales: &'a [f32],
}
