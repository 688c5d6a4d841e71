//! Pictures with labels, on their way to the network.
//!
//! | file | what it does |
//! |---|---|
//! | [`source`] | recognises where the pictures are: class folders, archives, ImageNet's files, CIFAR, IDX |
//! | [`decode`] | bytes to a [`Picture`] |
//! | [`identity`] | what tells a set of pictures from another |
//! | [`upright`] | the same, rotated as EXIF says where a recipe asks for it |
//! | [`encode`] | a [`Picture`] to bytes |
//! | [`square`] | the short side resized, the centre square cut |
//! | [`statistics`] | one pass over the training set: mean image, covariance of colours |
//! | [`check`] | what is wrong with pictures, and what to do about it |
//! | [`digests`] | whole files against what they should be |
//! | [`pack`] | squares, made once and kept in files that are read fast |
//! | [`preprocess`] | mean subtraction, crops, flips, colour noise, ten views |
//! | [`loader`] | batches in order, made by worker threads |
//! | [`mod@bench`] | how fast each of these steps is |

pub mod bench;
pub mod check;
pub mod decode;
pub mod digests;
pub mod embedded;
pub mod encode;
pub mod identity;
pub mod loader;
pub mod pack;
mod picture;
pub mod preprocess;
pub mod source;
pub mod square;
pub mod statistics;
pub mod upright;

pub use check::{Problem, ProblemKind};
pub use identity::Identity;
pub use loader::{Batch, Loader};
pub use picture::Picture;
pub use preprocess::{Preprocess, View};
pub use source::{Dataset, Split, Stored};
pub use statistics::{ColorBasis, Statistics};

/// A picture that was left out, and why.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Skip {
    /// The picture's file, as the user knows it.
    pub file: String,
    /// What is wrong with it.
    pub reason: String,
}
