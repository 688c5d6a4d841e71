//! JPEG.
//!
//! | file | what it does |
//! |---|---|
//! | `segments` | markers and the segments between them |
//! | `frame`, `scan_header`, `header` | frame and scan headers, color coding, unsupported variants |
//! | `decoder` | chooses the decoder for a file |
//! | `zune`, `turbo` | the fast decoder of this build, for files that it decodes correctly |
//! | `guard` | makes the fast decoder detect missing data |
//! | `exact` | the decoder for all other files, which also decides whether a file is complete |
//! | `huffman`, `scan`, `samples` | parts of `exact`: bits, coefficients, pixels |
//! | `coding` | quantization and chroma subsampling of a file |
//! | `turn`, `writer` | lossless rotation: coefficients back to a file |
//!
//! zune-jpeg decodes common files fast and correctly, but silently misplaces pixels in some others, or fills in missing data.
//! So the headers are read first and select the decoder, and files that the fast decoder rejects go to the exact one.

mod coding;
mod decoder;
mod exact;
mod frame;
mod guard;
mod header;
mod huffman;
mod samples;
mod scan;
mod scan_header;
mod segments;
#[cfg(feature = "turbojpeg")]
mod turbo;
mod turn;
mod writer;
#[cfg(not(feature = "turbojpeg"))]
mod zune;

pub use coding::{Chroma, Coding, coding};
pub(crate) use decoder::{decode, inspect, orientation};
pub use turn::upright;
