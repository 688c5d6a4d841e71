//! Files of other programs.
//!
//! | module | contents |
//! |---|---|
//! | [`Imported`] | a network with its weights, as another program stored it, in this program's terms |
//! | [`onnx`] | ONNX, by which PyTorch, onnxruntime, OpenVINO and others exchange networks |
//! | [`cuda_convnet`] | networks of the authors' program of 2012 and its successors, as recipes |

pub mod cuda_convnet;
mod imported;
pub mod onnx;

pub use imported::{Imported, arrange};
