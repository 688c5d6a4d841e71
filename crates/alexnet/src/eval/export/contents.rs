//! What the files of an evaluation contain.

use crate::data::Split;
use crate::eval::analysis::Analysis;
use crate::eval::results::{ImageResult, Results};

/// What the files contain.
#[derive(Clone, Copy, Debug)]
pub struct Export<'a> {
    /// The results of each image.
    pub results: &'a Results,
    /// Their analysis.
    pub analysis: &'a Analysis,
    /// The evaluated images.
    pub split: &'a Split,
    /// The names of the classes.
    pub classes: &'a [String],
    /// The results of another model for the same images, with the same classes.
    pub against: Option<&'a [ImageResult]>,
}
