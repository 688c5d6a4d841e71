//! From a configuration to the first step.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::checkpoints::Checkpoints;
use super::edits::Edits;
use super::forecaster::Forecaster;
use super::images::{check_validation, statistics};
use super::initial::{InitModel, InitialValues, Source, find_checkpoint};
use super::learner::{Clock, Learner};
use super::models::Models;
use super::reporter::Reporter;
use super::training::Training;
use crate::data::check;
use crate::data::{Identity, Preprocess, Split, Statistics};
use crate::error::Kind;
use crate::format::{counted, grouped};
use crate::train::checkpoint_writer::CheckpointWriter;
use crate::train::config::{Config, RunFolder};
use crate::train::journal::Journal;
use crate::train::lineage::Lineage;
use crate::train::observer::{Event, Observers, Started};
use crate::train::origin::Origin;
use crate::train::ranks::JobEngine;
use crate::train::remedy::Remedy;
use crate::train::run::{EarlierRun, Run};
use crate::train::training_images::TrainingImages;
use crate::train::watch::{OnPlateau, Watch, smaller_batch};
use crate::{Error, Result};

impl<'a> Training<'a> {
    /// Prepares the first step. A training run that is restarted has a remedy in its recipe.
    pub(super) fn set_up(
        mut config: Config,
        remedy: Option<Remedy>,
        observers: Observers<'a>,
    ) -> Result<Self> {
        check_forecast(&config)?;
        config.dataset.prepare(&config.recipe.input)?;
        // Memory is allocated before the first pass over the images, which can take long, and the run folder is created when
        // the recipe has been checked: a corrected command finds it unused.
        let engine = JobEngine::open(&config)?;
        if config.transport.size() > 1 {
            // On another number of processes, the default would be another.
            config.requests.leaves = Some(engine.leaves());
        }
        config.dataset.train()?;
        check_validation(&config)?;
        let resumed = match &config.run {
            RunFolder::Resume { folder, .. } => Some(Origin::read(folder)?),
            RunFolder::New(_) | RunFolder::Over(_) => None,
        };
        if let Some(before) = &resumed {
            // For a restart.
            config.init.clone_from(&before.init);
            forget_restart(&mut config, before);
        }
        let init = InitModel::load(&config, resumed.as_ref())?;
        let fresh = match &resumed {
            None => Some(Source::weights(&config, engine.network(), init.as_ref())?),
            Some(_) => None,
        };
        // From here on there is something to resume: signals request a stop.
        config.interrupt.listen()?;
        let mut reporter = Reporter::open(open_folder(&config, remedy)?, observers)?;
        let job = config.job();
        let mut lineage = Lineage {
            recipe: config.recipe.to_toml(),
            data: Identity::of(&config.dataset),
            seed: config.seed,
            init: init.as_ref().map(|init| init.digest.clone()),
            leaves: engine.leaves(),
            scheme: job.scheme,
            precision: job.precision,
        };
        let source = match fresh {
            Some(source) => source,
            None => match find_checkpoint(&config, engine.network(), &mut lineage, &mut reporter)? {
                Some(checkpoint) => Source::Checkpoint(Box::new(checkpoint)),
                None => Source::weights(&config, engine.network(), init.as_ref())?,
            },
        };
        if let Some(before) = &resumed {
            reporter.run.add_command(&config.command)?;
            update_origin(&config, before, &mut reporter)?;
        }
        introduce(&config, &engine, &mut reporter);
        let statistics = match statistics(&config, &source, &mut reporter) {
            Err(error) if matches!(error.kind, Kind::Interrupted(_)) && config.only_forecast => {
                reporter.run.remove();
                return Err(error);
            }
            statistics => statistics?,
        };
        check::every_class_decodes(config.dataset.train()?, &statistics.usable, &config.dataset.classes)?;
        let preprocess = Preprocess::new(&config.recipe.input, &statistics);
        let values = source.values(init.as_ref(), preprocess, config.recipe.input.mean, &mut reporter);
        Self::assemble(config, lineage, engine, values, statistics, resumed.is_some(), reporter)
    }

    fn assemble(
        mut config: Config,
        lineage: Lineage,
        engine: JobEngine,
        values: InitialValues,
        statistics: Statistics,
        is_resumed: bool,
        mut reporter: Reporter<'a>,
    ) -> Result<Self> {
        let InitialValues { state, parameters, velocities, preprocess, best } = values;
        reporter.rewind(state.lines, &state.unwritten)?;
        let images = TrainingImages {
            split: config.dataset.train()?.clone(),
            usable: statistics.usable.clone(),
            skipped: statistics.skipped.clone(),
            preprocess: Arc::new(preprocess),
            basis: statistics.color_basis(),
        };
        engine.prepare(&images)?;
        if !is_resumed && config.transport.size() == 1 {
            note_few_steps(images.usable.len(), config.recipe.optimizer.batch, &mut reporter);
        }
        let resumed_at = is_resumed.then_some(state.step);
        let models = Models::new(reporter.folder(), images.golden()?, resumed_at);
        let writer =
            CheckpointWriter::start(&reporter.run.checkpoints(), config.requests.checkpoints(), state.step)?;
        let edits = Edits::new(Journal::open(reporter.folder())?, &config.recipe);
        config.dataset.set_statistics(statistics);
        let clock = Clock::resume(state.seconds);
        let mut training = Self {
            learner: Learner { config, lineage, engine, images, state, clock },
            models,
            checkpoints: Checkpoints::new(writer),
            edits,
            watch: Watch::default(),
            forecaster: Forecaster::new(),
            reporter,
        };
        training.announce(resumed_at);
        let (learner, reporter) = (&mut training.learner, &mut training.reporter);
        training.edits.seek(learner.state.step);
        learner.restore_frozen_layers()?;
        if is_resumed {
            training.models.restore_best(best, learner, reporter)?;
        }
        learner.engine.load(&parameters)?;
        velocities.map_or(Ok(()), |velocities| learner.engine.load_velocities(&velocities))?;
        training.models.restore_last(learner, reporter)?;
        if is_resumed {
            reporter.info(&format!("resumed after step {}", grouped(learner.state.step)));
        }
        // There is always a checkpoint to roll back to and to resume from.
        if learner.state.step == 0 && learner.state.lr.epochs == 0 {
            training.checkpoints.save(learner, &training.models, reporter)?;
        }
        Ok(training)
    }

    fn announce(&mut self, resumed_at: Option<usize>) {
        let learner = &self.learner;
        let (run, history) = (self.reporter.folder().to_path_buf(), self.reporter.history().to_vec());
        self.reporter.emit(&Event::Started(Started {
            run: &run,
            recipe: &learner.config.recipe,
            epochs: learner.schedule().epochs,
            epoch_steps: learner.epoch_steps(),
            resumed_at,
            history: &history,
        }));
    }
}

/// Refuses a forecast in the folder of a run that is resumed: a forecast removes its folder.
fn check_forecast(config: &Config) -> Result<()> {
    match &config.run {
        RunFolder::Resume { folder, .. } if config.only_forecast => Err(Error::usage(format!(
            "a forecast removes its run folder, and {} holds a run that is resumed",
            folder.display()
        ))
        .help("forecast in a new run folder: `alexnet train SRC --recipe NAME --forecast`")),
        RunFolder::Resume { .. } | RunFolder::New(_) | RunFolder::Over(_) => Ok(()),
    }
}

/// A run is restarted once: if the loss of the restarted one is flat again, also after it is resumed, remedies are only named.
fn forget_restart(config: &mut Config, before: &Origin) {
    let on_plateau = &mut config.requests.on_plateau;
    if before.remedy.is_some() && on_plateau.is_some_and(OnPlateau::is_restart) {
        *on_plateau = None;
    }
}

fn open_folder(config: &Config, remedy: Option<Remedy>) -> Result<Run> {
    let origin = origin(config, remedy);
    let create = |folder: Option<&Path>, earlier| {
        Run::create(folder, &config.recipe, &origin, &config.command, earlier)
    };
    match &config.run {
        RunFolder::New(folder) => create(folder.as_deref(), EarlierRun::Refuse),
        RunFolder::Over(folder) if remedy.is_some() => create(Some(folder), EarlierRun::Restart),
        RunFolder::Over(folder) => create(Some(folder), EarlierRun::Move),
        RunFolder::Resume { folder, .. } => Run::resume(folder),
    }
}

/// The contents of `run.json` for a configuration.
fn origin(config: &Config, remedy: Option<Remedy>) -> Origin {
    let absolute = |path: &PathBuf| std::path::absolute(path).unwrap_or_else(|_| path.clone());
    Origin {
        format_version: Origin::FORMAT_VERSION,
        source: config.source.absolute(),
        seed: config.seed,
        init: config.init.as_ref().map(absolute),
        remedy,
        requests: config.requests.clone(),
    }
}

/// Updates `run.json` with the place of the images and the options, and reports what differs from before.
fn update_origin(config: &Config, before: &Origin, reporter: &mut Reporter<'_>) -> Result<()> {
    let now = Origin {
        format_version: before.format_version,
        init: before.init.clone(),
        ..origin(config, before.remedy)
    };
    if let Some(difference) = before.requests.difference(&now.requests) {
        reporter.info(&format!("changed options: {difference}"));
    }
    if let (true, Some(source)) = (now.source != before.source, now.source.path()) {
        reporter.info(&format!("the images are now in {}", source.display()));
    }
    reporter.run.set_origin(&now)
}

/// Notes a batch that leaves an epoch few steps: a training run of a few dozen images then hardly learns.
fn note_few_steps(images: usize, batch: usize, reporter: &mut Reporter<'_>) {
    let Some(smaller) = smaller_batch(images, batch) else { return };
    reporter.note(&format!(
        "{} in batches of {batch}: {} per epoch; a smaller batch makes more: --set optimizer.batch={smaller}",
        counted(images, "training image"),
        counted(images.div_ceil(batch), "step")
    ));
}

fn introduce(config: &Config, engine: &JobEngine, reporter: &mut Reporter<'_>) {
    let Config { recipe, dataset, .. } = config;
    reporter.info(&format!(
        "recipe {}, {} of {}",
        recipe.name,
        counted(dataset.classes.len(), "class"),
        dataset.origin
    ));
    dataset.notes.iter().for_each(|note| reporter.note(note));
    reporter.info(&format!(
        "{} parameters, {} multiply-adds per image; {}, {}",
        grouped(engine.network().parameters()),
        grouped(engine.network().macs()),
        counted(dataset.train().map_or(0, Split::len), "training image"),
        counted(dataset.val().map_or(0, Split::len), "validation image")
    ));
    reporter.info(&engine.memory().to_string());
}
