//! Inference in 8-bit integers: activations are bytes between the layers that have integer kernels, and floats between the
//! others.
//!
//! | file | contents |
//! |---|---|
//! | `contents` | [`QuantizedNetwork`]: how each layer is computed |
//! | `check` | the values between layers, and whether each layer can compute with them |
//! | `steps` | lowering to steps, with prepared weights |
//! | `buffers` | the values between two layers; execution of steps |
//! | `engine` | the [`Engine`](super::Engine) interface |

mod buffers;
mod check;
mod contents;
mod engine;
mod steps;

pub(crate) use check::after_dropout;
pub use contents::{FloatWeights, IntegerWeights, QuantizedLayer, QuantizedNetwork, Values, WinogradWeights};
pub(super) use engine::QuantizedEngine;
