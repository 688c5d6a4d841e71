//! Packs images of any size into squares of one size, in files that are fast to read: done once, before many epochs (paper,
//! section 2).
//!
//! A packed folder holds `pack.json` ([`Manifest`]), `statistics.safetensors` (mean image, covariance of colors and its
//! eigenvectors) and shards `train-00000.safetensors`, ... of up to [`SHARD`] images, fewer of large squares: `labels`, `digests`
//! (SHA-256 of the stored image), and `images` `[n, side, side, 3]` or JPEG files as `bytes` with `offsets`. Any safetensors reader
//! opens them.

mod config;
mod kept;
mod manifest;
mod packing;
mod shard;
mod squares;

pub use config::PackConfig;
pub use manifest::{FORMAT_VERSION, MAX_SIDE, Manifest, PackedShard, PackedSplit, SHARD, Storage};
pub use packing::{check_outside, pack};
pub use squares::{PackedSquares, SquaresUser, recipe_of, train_command};
