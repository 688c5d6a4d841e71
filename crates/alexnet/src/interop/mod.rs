//! Files of other programs.
//!
//! | module | contents |
//! |---|---|
//! | [`import`](import()), [`export`] | networks from files of other programs, models to them |
//! | [`Format`], [`SourceFile`] | formats, files recognized by their content |
//! | [`Imported`] | a network with its weights, as another program stored it, in this program's terms |
//! | [`torch`] | PyTorch's state dicts |
//! | [`caffe`] | networks of Caffe: definitions as recipes, weights as models, and back |
//! | [`onnx`] | ONNX, by which PyTorch, onnxruntime, OpenVINO and others exchange networks |
//! | [`cuda_convnet`] | networks of the authors' program of 2012 and its successors, as recipes |
//! | [`classes`] | class names |
//! | [`made_squares`] | images for golden samples |
//! | [`PeerScript`] | the same logits from the program that a network was imported from |

pub mod caffe;
pub mod classes;
pub mod cuda_convnet;
mod format;
mod import;
mod imported;
pub mod onnx;
mod peer;
mod pictures;
mod protobuf;
mod source;
pub mod torch;

pub use format::Format;
pub use import::{Import, export, import};
pub use imported::{Imported, arrange};
pub use peer::{PeerDifference, PeerOutcome, PeerScript};
pub use pictures::made_squares;
pub use source::{ImportOptions, SourceFile, SourceKind};
