//! Labeled images, from files to batches.
//!
//! | module | what it does |
//! |---|---|
//! | [`source`] | recognizes data sets: class folders, archives, ImageNet's files, CIFAR, IDX |
//! | [`decode`], [`encode`], [`square`] | image files to pixels and back, squares (the `alexnet-images` crate) |
//! | [`upright`] | single image files: reading, and decoding with the EXIF orientation applied |
//! | [`identity`] | identifies a data set |
//! | [`statistics`] | mean image and covariance of colors, from one pass over the training set |
//! | [`check`] | finds problems in a data set |
//! | [`fix`] | repairs problems: a plan, applied or undone |
//! | [`checksums`] | verifies whole files |
//! | [`pack`] | squares in files that are fast to read |
//! | [`preprocess`] | mean subtraction, crops, flips, color noise, ten views |
//! | [`loader`] | batches in order, made by worker threads |
//! | [`mod@bench`] | measures the throughput of each stage |

pub mod bench;
pub mod check;
pub mod checksums;
mod defect;
pub(crate) mod digest;
pub mod embedded;
pub mod fix;
mod free_path;
pub mod identity;
pub mod loader;
mod measure;
pub(crate) mod own_files;
pub mod pack;
pub mod preprocess;
mod problem;
mod skip;
pub mod source;
pub mod statistics;
pub mod upright;

pub use alexnet_images::{Image, ImageRef, decode, encode, square};
pub use identity::Identity;
pub use loader::{LoadedBatch, Loader, Share};
pub use preprocess::{Preprocess, View};
pub use problem::{Problem, ProblemKind};
pub use skip::Skip;
pub use source::{Dataset, ImageArray, PixelValues, Split, Stored};
pub use statistics::{ColorBasis, Statistics};
