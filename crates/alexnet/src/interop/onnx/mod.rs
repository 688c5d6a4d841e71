//! ONNX files, by which PyTorch, onnxruntime, OpenVINO and others exchange networks: models to graphs, and graphs that are chains of
//! layers to networks with their weights.
//!
//! | file | contents |
//! |---|---|
//! | `proto` | the messages of the format |
//! | `metadata` | recipe, class names and preprocessing in the metadata of a file |
//! | `export` | [`write()`] |
//! | `import` | [`read`], [`parse`] |

mod export;
mod import;
mod metadata;
mod proto;

pub use export::{OnnxExport, OnnxInput, write};
pub(super) use import::read_with_peer;
pub use import::{ChannelOrder, GraphInput, OnnxImport, parse, read};
