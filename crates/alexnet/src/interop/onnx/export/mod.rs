//! Models as ONNX graphs.
//!
//! The output of a layer has the layer's name; `conv1.weight` and `conv1.bias` are its parameters. What a runtime could compute in
//! more than one way is spelled out: partial windows are explicit padding, never `ceil_mode`.
//!
//! | file | contents |
//! |---|---|
//! | `options` | what is asked for |
//! | `graph` | nodes, constants and the current tensor |
//! | `layers` | layers in f32 |
//! | `parameters` | what their nodes are told |
//! | `norm`, `local` | normalizations and locally connected layers |
//! | `quantized`, `kernels` | layers of 8-bit integers, with the kernels of Winograd's algorithms |
//! | `pixels` | preprocessing in the graph |
//! | `model` | the whole file |

mod graph;
mod kernels;
mod layers;
mod local;
mod model;
mod norm;
mod options;
mod parameters;
mod pixels;
mod quantized;

pub(super) use local::one_hot;
pub use model::write;
pub use options::{OnnxExport, OnnxInput};
pub(super) use pixels::{factors, mean_of_crop};

#[cfg(test)]
mod tests;
