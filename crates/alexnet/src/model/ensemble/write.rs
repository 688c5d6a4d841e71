//! Writes the files of ensembles.

use std::collections::BTreeMap;
use std::path::Path;

use super::contents::Ensemble;
use crate::Result;
use crate::files::container::Values;
use crate::model::metadata::ENSEMBLE_FORMAT_VERSION;
use crate::model::save::{FileContent, Part, json};

/// The tensor with the probabilities of the golden samples.
pub(super) const GOLDEN_PROBABILITIES: &str = "golden.probabilities";

/// What the names of model `i` start with.
pub(super) fn prefix(i: usize) -> String {
    format!("models.{i}.")
}

impl Ensemble {
    /// Writes the ensemble to a file atomically. Returns the digest that [`Model::digest`](crate::model::Model::digest) reads
    /// from the file.
    ///
    /// # Errors
    /// Returns an error if the parts of the ensemble do not fit each other, or if the file cannot be written. An existing file is
    /// then unchanged.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<String> {
        let path = path.as_ref();
        self.content().map_err(|error| error.context(path.display()))?.write(path)
    }

    fn content(&self) -> Result<FileContent<'_>> {
        self.check()?;
        let weights: Vec<f64> = self.members.iter().map(|member| member.weight).collect();
        let metadata = BTreeMap::from([
            ("format_version".to_owned(), ENSEMBLE_FORMAT_VERSION.to_string()),
            ("weights".to_owned(), json(&weights)),
            ("views".to_owned(), json(&self.views)),
            ("summary".to_owned(), json(&self.summary)),
        ]);
        let mut content = FileContent { metadata, parts: Vec::new() };
        for (i, member) in self.members.iter().enumerate() {
            content.metadata.insert(format!("{}sha256", prefix(i)), member.digest.clone());
            content.add(&prefix(i), member.model.content()?);
        }
        let shape = vec![self.golden.images.len(), self.classes().len()];
        content.parts.push(Part::new(GOLDEN_PROBABILITIES, shape, Values::F32(&self.golden.probabilities)));
        content.parts.push(Part::golden_images(&self.golden.images));
        content.parts.iter().try_for_each(Part::check_finite)?;
        Ok(content)
    }
}
