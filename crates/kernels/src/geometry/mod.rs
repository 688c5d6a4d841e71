//! Shapes: one validated struct per kind of operation. Sizes are per image; the batch is a separate argument.
//!
//! Kernels rely on them for memory safety: their fields can only be set by `new`, which checks them.

mod channels;
mod conv;
mod error;
mod fc;
mod maps;
mod norm;
mod pool;
mod window;

pub use channels::ChannelSlice;
pub use conv::ConvGeometry;
pub use error::GeometryError;
pub use fc::FcGeometry;
pub use maps::Maps;
pub use norm::{NormGeometry, Normalization, Reach};
pub use pool::PoolGeometry;
pub use window::{Rounding, Window};
