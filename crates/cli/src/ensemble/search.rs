//! The search for weights on labeled images.

use std::path::Path;

use super::source::Source;
use crate::output::Output;
use crate::ui::Progress;
use alexnet::data::pack::SquaresUser;
use alexnet::data::{Dataset, Preprocess, Skip, Split, identity};
use alexnet::eval::mixture::{MIN_IMAGES, WeightSearch, predict, search_weights};
use alexnet::eval::{Predictor, PredictorOptions};
use alexnet::model::WeightChoice;
use alexnet::net::Views;
use alexnet::train::signals::Interrupt;
use alexnet::train::unseen::{Choice, choose};
use alexnet::{Error, Result};

/// Views per call.
const BATCH: usize = 64;

/// The weights found, and where.
pub(crate) struct Search {
    pub(crate) found: WeightSearch,
    /// The source of the images.
    pub(crate) origin: String,
    /// The name of the split.
    pub(crate) split: String,
    pub(crate) skipped: Vec<Skip>,
    /// Of the split.
    digest: String,
}

impl Search {
    /// Searches weights for models on a split of a source.
    pub(super) fn run(
        models: &[Source],
        source: &Path,
        split: Option<&str>,
        views: Views,
        threads: usize,
        interrupt: &Interrupt,
        out: &Output,
    ) -> Result<Self> {
        let data = Dataset::open(source)?;
        data.notes.iter().for_each(|text| out.note(text));
        let options = PredictorOptions { batch: BATCH, threads, ..PredictorOptions::default() };
        let open = |source: &Source| {
            let opened = Predictor::single(&source.model, source.path.clone(), &options);
            opened.map_err(|error| error.context(source.path.display()))
        };
        let mut predictors = models.iter().map(open).collect::<Result<Vec<_>>>()?;
        let Choice { split, note, .. } = choose(&data, source, split, &predictors)?;
        note.into_iter().for_each(|text| out.note(&text));
        if split.len() < MIN_IMAGES {
            return Err(too_few(split.len(), split, &data));
        }
        let digest = identity::digest_of(split);
        let split = split.relabel(&data.classes, &predictors[0].classes)?;
        let mut progress = Progress::new(out.display());
        progress.start("evaluation", models.len() * split.len());
        let mut all = Vec::new();
        for predictor in &mut predictors {
            for mut member in predictor.classifiers() {
                let Preprocess { square, orientation, .. } = **member.preprocess;
                let notes = split.check_packed(square, orientation, SquaresUser::Model)?;
                notes.into_iter().for_each(|text| out.note(&text));
                let mut before = 0;
                all.push(predict(&mut member, &split, views, threads, &mut |done| {
                    progress.advance(done - before, None);
                    before = done;
                    interrupt.check()
                })?);
            }
        }
        progress.finish();
        if all[0].labels.len() < MIN_IMAGES {
            return Err(too_few(all[0].labels.len(), &split, &data));
        }
        let skipped = all[0].skipped.clone();
        let found = search_weights(&all)?;
        Ok(Self { found, origin: data.origin.clone(), split: split.name.clone(), skipped, digest })
    }

    /// What the file of the ensemble says about the weights.
    pub(super) fn choice(&self) -> WeightChoice {
        let WeightSearch { equal, searched, nested, .. } = &self.found;
        WeightChoice::Searched {
            searched_on: self.digest.clone(),
            images: equal.images,
            equal: equal.top1_share(),
            searched: searched.top1_share(),
            nested: nested.top1_share(),
        }
    }
}

fn too_few(images: usize, split: &Split, data: &Dataset) -> Error {
    Error::data(format!(
        "{}: split `{}` has {images} images that can be used, expected at least {MIN_IMAGES} to search weights on",
        data.origin, split.name
    ))
    .help(match data.split("all") {
        Ok(all) if all.len() >= MIN_IMAGES && all.name != split.name => {
            "leave out --search-weights for equal weights, or search on another split: `--split all`"
        }
        _ => "leave out --search-weights for equal weights, or search on more images",
    })
}
