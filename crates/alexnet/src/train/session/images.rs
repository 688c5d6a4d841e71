//! What a session measures of its images.

use std::sync::{Mutex, PoisonError};

use super::initial::Source;
use super::reporter::Reporter;
use crate::data::{Skip, Statistics};
use crate::error::{Kind, shell};
use crate::train::config::{Config, RunFolder};
use crate::train::observer::Phase;
use crate::{Error, Result};

/// Refuses validation images of which none can be decoded. Stops at the first that can: reading all of them would take as long
/// as a validation.
pub(super) fn check_validation(config: &Config) -> Result<()> {
    let Some(split) = config.dataset.val().filter(|split| !split.is_empty()) else { return Ok(()) };
    let mut first = None;
    for index in 0..split.len() {
        match split.image(index)? {
            Ok(_) => return Ok(()),
            Err(skip) => first = first.or(Some(skip)),
        }
    }
    let Skip { file, reason } = first.expect("a split that is not empty has a first image");
    let (origin, name, images) = (&config.dataset.origin, &split.name, split.len());
    let message = match images {
        1 => format!("{origin}: the only image of split `{name}` cannot be decoded: {file}: {reason}"),
        _ => format!(
            "{origin}: none of the {images} images of split `{name}` can be decoded; the first, {file}: {reason}"
        ),
    };
    Err(Error::data(message)
    .help(format!(
        "replace them, or remove the {name} images to train without validation; `alexnet data check SRC` lists them"
    )))
}

/// The statistics of the training images: from the run folder, or measured now and saved there. Only a checkpoint says that the
/// images are still those of the statistics in the folder.
pub(super) fn statistics(
    config: &Config,
    source: &Source,
    reporter: &mut Reporter<'_>,
) -> Result<Statistics> {
    let (train, side) = (config.dataset.train()?, config.recipe.input.square);
    let folder = reporter.folder().to_path_buf();
    let has_same_images = matches!(source, Source::Checkpoint(_))
        && matches!(config.run, RunFolder::Resume { accept_changes: false, .. });
    if has_same_images && let Ok(known) = Statistics::load(&folder, side, train.len()) {
        return Ok(known);
    }
    reporter.start_phase(Phase::Statistics, train.len(), 0);
    let shared = Mutex::new(&mut *reporter);
    let advance = |_| {
        let mut reporter = shared.lock().unwrap_or_else(PoisonError::into_inner);
        reporter.advance(1, None);
        match reporter.wants_stop() {
            true => Err(Error::new(Kind::Runtime, "stopped by an observer")),
            false => config.interrupt.check(),
        }
    };
    let statistics = Statistics::measure(train, side, config.threads(), &advance);
    reporter.end_phase();
    let is_stopped = |error: &Error| matches!(error.kind, Kind::Interrupted(_)) || reporter.wants_stop();
    let statistics = statistics.map_err(|error| match is_stopped(&error) && !config.only_forecast {
        true => {
            let resume = format!("to resume: `alexnet train --resume {}`", shell(&folder));
            error.context("before the first step").help(resume)
        }
        false => error,
    })?;
    reporter.skipped(&statistics.skipped);
    if let Err(error) = statistics.save(&folder) {
        reporter.warn_once(&error.help("training continues; if it is resumed, they are measured again"));
    }
    Ok(statistics)
}
