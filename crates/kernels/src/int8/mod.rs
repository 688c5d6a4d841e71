//! Inference in 8-bit integers: unsigned activations, signed weights, sums in `i32`.
//!
//! # Quantization
//! A tensor of activations has one [`Quantizer`]: `x = scale (q - zero)` with `q` in `0..=255`. Weights are `i8`, with one
//! scale per output channel. A layer computes the exact integer sum `sum (q_x - zero) q_w` and requantizes it in `f32`:
//! `q_y = clamp(round(sum multiplier[o] + offset[o]), 0, 255)`, where `round` rounds ties to even. With an output zero of
//! 0 the clamp is the rectifier. Zeros outside the map are the zero point.
//!
//! # Determinism
//! Sums are integers, and all `f32` arithmetic is IEEE-exact, in a fixed order, without fused multiply-adds. The results
//! of an image have the same bits with every instruction set, at any number of threads, in a batch of any size.
//!
//! # Layouts
//! Activations are channels-last, as in the rest of the crate. [`mod@reference`] defines each operation.

#[cfg(target_arch = "x86_64")]
mod amx;
mod bytes;
mod conv;
mod fc;
mod isa;
mod kernel;
mod lrn;
mod packed;
mod patches;
pub mod peak;
mod pool;
mod power;
mod product;
mod quantizer;
pub mod reference;
mod tile;
mod vector;
mod winograd;
#[cfg(target_arch = "x86_64")]
mod x86;

pub use conv::{ConvWeights, QuantizedConv};
pub use fc::QuantizedFc;
pub use isa::Int8Isa;
pub use lrn::QuantizedLrn;
pub use pool::max_pool;
pub use quantizer::{Quantizer, dequantize, quantize, quantize_weights};
pub use winograd::{Algorithm, WinogradWeights};

/// The longest sum of products, `255 * 128` each at most, that always fits an `i32`.
pub const LONGEST_SUM: usize = i32::MAX as usize / (255 * 128);
