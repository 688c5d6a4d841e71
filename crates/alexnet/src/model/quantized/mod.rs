//! Quantized models.
//!
//! | file | contents |
//! |---|---|
//! | `contents` | [`QuantizedModel`] |
//! | `header` | the forms of the layers, as the metadata describes them |
//! | `read`, `write` | the tensors |

mod contents;
mod header;
mod read;
mod write;

pub use contents::QuantizedModel;
pub(super) use read::read;
