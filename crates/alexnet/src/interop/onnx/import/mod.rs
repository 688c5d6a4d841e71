//! ONNX graphs as networks with their weights.
//!
//! The nodes are gone through once, in their order. Each name stands for a constant or for a signal, a tensor that depends on the
//! images and knows what it was computed from. Sizes are computed, with the number of images as a symbol. Several nodes that are one
//! layer here become that layer at their last node. In the end the layers are followed from the output back to the input; whatever
//! is no layer on the way is not supported, and listed with the name of its node.
//!
//! | file | contents |
//! |---|---|
//! | `options`, `read` | what is asked for, and a whole file |
//! | `limits`, `tensors`, `external` | bytes: bounded messages, arrays, arrays in other files |
//! | `attributes`, `operator` | operators with their attributes, of any version |
//! | `array`, `integers`, `constants` | constants, and computations with them |
//! | `signal`, `state` | tensors that depend on the images, and all that is known |
//! | `evaluate`, `apply` | node by node |
//! | `layers`, `window` | layers that are one node |
//! | `shapes` | other shapes, parts of channels, padding |
//! | `fold`, `norm`, `local`, `columns` | nodes that become a part of a layer, or a layer together |
//! | `chain`, `recipe`, `preprocess`, `same` | the layers from output to input, as a recipe; that of the metadata if it is the same |
//! | `peer` | the same logits from onnxruntime |
//! | `problem` | what is not supported |

mod apply;
mod array;
mod attributes;
mod chain;
mod columns;
mod constants;
mod evaluate;
mod external;
mod fold;
mod integers;
mod layers;
mod limits;
mod local;
mod norm;
mod operator;
mod options;
mod peer;
mod preprocess;
mod problem;
mod read;
mod recipe;
mod same;
mod shapes;
mod signal;
mod state;
mod tensors;
mod window;

pub use options::{ChannelOrder, GraphInput, OnnxImport};
pub(in crate::interop) use read::read_with_peer;
pub use read::{parse, read};

#[cfg(test)]
mod tests;
