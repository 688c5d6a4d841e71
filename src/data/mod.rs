//! Pictures with labels, on their way to the network.
//!
//! | file | what it does |
//! |---|---|
//! | [`source`] | recognises where the pictures are: class folders, a tar of those, CIFAR, IDX |
//! | [`decode`] | bytes to a [`Picture`] |
//! | [`square`] | the short side resized, the centre square cut |
//! | [`statistics`] | one pass over the training set: mean image, covariance of colours |
//! | [`preprocess`] | mean subtraction, crops, flips, colour noise, ten views |
//! | [`loader`] | batches in order, made by worker threads |

pub mod decode;
pub mod embedded;
pub mod loader;
mod picture;
pub mod preprocess;
pub mod source;
pub mod square;
pub mod statistics;

pub use loader::{Batch, Loader};
pub use picture::Picture;
pub use preprocess::{Preprocess, View};
pub use source::{Dataset, Split};
pub use statistics::{ColorBasis, Statistics};

/// A picture that was left out, and why.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Skip {
    /// The picture's file, as the user knows it.
    pub file: String,
    /// What is wrong with it.
    pub reason: String,
}
