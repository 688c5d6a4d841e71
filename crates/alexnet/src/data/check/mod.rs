//! Checks a source for everything that could go wrong hours into a training run.
//!
//! | file | what it does |
//! |---|---|
//! | `diagnosis` | the check as a whole |
//! | `probe` | inspects one image |
//! | `fingerprint`, `duplicates` | finds duplicate and near-duplicate images |
//! | `classes` | names and sizes of the classes |
//! | `introduction` | the summary before training |

mod classes;
mod diagnosis;
mod duplicates;
mod fingerprint;
mod introduction;
mod probe;

pub use classes::{AlikeNames, alike, every_class_decodes};
pub use diagnosis::{Diagnosis, KindSummary, SplitSize, check};
pub(in crate::data) use duplicates::DuplicatePair;
pub use introduction::{introduce, several_classes};
