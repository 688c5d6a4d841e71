//! Images with labels, on their way to the network.
//!
//! | file | what it does |
//! |---|---|
//! | [`source`] | recognizes where the images are: class folders, archives, ImageNet's files, CIFAR, IDX |
//! | [`decode`] | bytes to a [`Image`] |
//! | [`identity`] | what tells a set of images from another |
//! | [`upright`] | the same, rotated as EXIF says where a recipe asks for it |
//! | [`encode`] | a [`Image`] to bytes |
//! | [`square`] | the short side resized, the center square cut |
//! | [`statistics`] | one pass over the training set: mean image, covariance of colors |
//! | [`check`] | what is wrong with images, and what to do about it |
//! | [`digests`] | whole files against what they should be |
//! | [`pack`] | squares, made once and kept in files that are read fast |
//! | [`preprocess`] | mean subtraction, crops, flips, color noise, ten views |
//! | [`loader`] | batches in order, made by worker threads |
//! | [`mod@bench`] | how fast each of these steps is |

pub mod bench;
pub mod check;
mod defect;
pub mod digests;
pub mod embedded;
pub mod identity;
pub mod loader;
pub mod pack;
pub mod preprocess;
pub mod source;
pub mod statistics;
pub mod upright;

pub use alexnet_images::{Image, decode, encode, square};
pub use check::{Problem, ProblemKind};
pub use identity::Identity;
pub use loader::{Batch, Loader};
pub use preprocess::{Preprocess, View};
pub use source::{Dataset, Split, Stored};
pub use statistics::{ColorBasis, Statistics};

/// An image that was left out, and why.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Skip {
    /// The image's file, as the user knows it.
    pub file: String,
    /// What is wrong with it.
    pub reason: String,
}
