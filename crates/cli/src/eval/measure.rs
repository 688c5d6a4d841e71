//! One evaluation, by all processes.

use std::sync::Arc;

use crate::cluster::Cluster;
use crate::ui::{Display, Progress};
use alexnet::data::Split;
use alexnet::error::Kind;
use alexnet::eval::{Classifier, ImageResults, Keep, Part, Predictor, results_shared};
use alexnet::net::Views;
use alexnet::parallel::Collective;
use alexnet::parallel::traffic::Payload;
use alexnet::parallel::transport::Lane;
use alexnet::{Error, Result};

/// Who evaluates, and how.
pub(super) struct Measure<'a> {
    pub(super) cluster: &'a Cluster,
    pub(super) threads: usize,
    pub(super) display: Display,
}

impl Measure<'_> {
    /// Evaluates this process's share of the split, and combines it with those of the others.
    pub(super) fn results(
        &self,
        models: &mut [Predictor],
        split: &Split,
        views: Views,
        keep: Keep,
    ) -> Result<ImageResults> {
        let mut progress = Progress::new(self.display);
        let mut classifiers: Vec<Classifier<'_>> =
            models.iter_mut().flat_map(Predictor::classifiers).collect();
        let ranks =
            Collective::world(self.cluster.transport(), Lane::Main, Payload::Control, &Arc::default());
        let counts: Vec<usize> = ranks.all_gather_values(&split.len())?;
        if counts.iter().any(|&count| count != split.len()) {
            return Err(Error::data(format!(
                "the processes find {counts:?} images, expected the same number"
            ))
            .help("all processes need the same images: use a folder that all of them share"));
        }
        progress.start("evaluation", split.len());
        let mut before = 0;
        let part = Part::alone(&ranks);
        let results =
            results_shared(&mut classifiers, split, views, self.threads, part, keep, &mut |done| {
                progress.advance(done - before, None);
                before = done;
                Ok(())
            })?;
        progress.finish();
        let results =
            results.ok_or_else(|| Error::new(Kind::Runtime, "another process has ended the evaluation"))?;
        results.check_finite()?;
        Ok(results)
    }
}
