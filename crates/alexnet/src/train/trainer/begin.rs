//! From a configuration to the first step.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use sha2::{Digest, Sha256};

use super::Trainer;
use super::models::judges_alike;
use crate::data::check;
use crate::data::digest::hex;
use crate::data::{Identity, Image, Preprocess, Skip, Split, Statistics};
use crate::engine::{self, Device, Engine, Options, Tensor};
use crate::error::{Kind, shell};
use crate::eval::model_path;
use crate::format::grouped;
use crate::model::Model;
use crate::net::{Mean, Network, Orientation, Recipe};
use crate::train::checkpoint::{self, Checkpoint, Lineage, State};
use crate::train::config::{Config, RunFolder};
use crate::train::init::initialize;
use crate::train::journal::Journal;
use crate::train::keeper::Keeper;
use crate::train::observer::{Event, Observers, Phase, Started};
use crate::train::origin::Origin;
use crate::train::record::Record;
use crate::train::run::{CHECKPOINTS, Run};
use crate::train::transfer::Transfer;
use crate::train::watch::Watch;
use crate::{Error, Result};

/// Sample images kept in a model file.
const GOLDEN: usize = 2;

/// Where the numbers of a training come from at its first step here.
enum Start {
    Weights(Transfer),
    Checkpoint(Box<Checkpoint>),
}

/// What a training begins with here.
struct Numbers {
    state: State,
    parameters: Vec<Tensor>,
    /// `None`: all zero.
    velocities: Option<Vec<Tensor>>,
    preprocess: Preprocess,
    /// Parameters of a best model that could not be saved before.
    best: Option<Vec<Tensor>>,
}

impl Start {
    /// The numbers to begin with. `preprocess` is that of the images' statistics; a checkpoint, and a model where it can, bring
    /// their own mean.
    fn numbers(
        self,
        record: &mut Record<'_>,
        model: Option<&Model>,
        preprocess: Preprocess,
        mean: Mean,
    ) -> Numbers {
        match self {
            Self::Checkpoint(checkpoint) => Numbers {
                preprocess: match checkpoint.mean {
                    mean if mean.is_empty() => preprocess,
                    mean => Preprocess { mean, ..preprocess },
                },
                state: checkpoint.state,
                parameters: checkpoint.parameters,
                velocities: Some(checkpoint.velocities),
                best: checkpoint.best,
            },
            Self::Weights(transfer) => {
                transfer.told().iter().for_each(|line| record.say(line));
                let model = model.filter(|model| takes_mean(model, &preprocess, mean));
                let preprocess = match model {
                    None => preprocess,
                    Some(model) => {
                        record.say("the mean is the model's: its weights were learned with it");
                        Preprocess { mean: model.preprocess.mean.clone(), ..preprocess }
                    }
                };
                let (state, parameters) = (State::default(), transfer.parameters);
                Numbers { state, parameters, velocities: None, preprocess, best: None }
            }
        }
    }
}

impl<'a> Trainer<'a> {
    pub(super) fn new(mut config: Config, observers: Observers<'a>) -> Result<Self> {
        config.dataset.prepare(&config.recipe.input)?;
        let (recipe, classes) = (&config.recipe, config.dataset.classes.len());
        let network = Network::new(recipe, classes)?;
        // The memory is had before the first look at the images, which can take long, and the folder is made when
        // what can be wrong with the recipe has been found: a corrected command finds it free.
        let batch = recipe.optimizer.batch;
        let options = Options { micro_batch: config.micro_batch, ..Options::training(batch, config.threads) };
        let engine = engine::open(Device::Cpu, network, &options)?;
        config.dataset.train()?;
        check_validation(&config)?;
        let resumed = match &config.run {
            RunFolder::Resume { folder, .. } => Some(Origin::read(folder)?),
            _ => None,
        };
        let model = init_model(&config, resumed.as_ref())?;
        let transfer = |engine: &dyn Engine| {
            let fresh = initialize(engine.network(), config.seed)?;
            match &model {
                Some((model, _)) => Transfer::new(model, &config.dataset.classes, fresh),
                None => Ok(Transfer { parameters: fresh, ..Transfer::default() }),
            }
        };
        let fresh = if resumed.is_none() { Some(transfer(&*engine)?) } else { None };
        // From here on there is something to go on with: signals are requests.
        config.interrupt.listen()?;
        let run = open_folder(&config)?;
        let mut record = Record::start(run, observers)?;
        let mut lineage = Lineage {
            recipe: recipe.to_toml(),
            data: Identity::of(&config.dataset),
            seed: config.seed,
            init: model.as_ref().map(|(_, digest)| digest.clone()),
        };
        let start = match fresh {
            Some(transfer) => Start::Weights(transfer),
            None => match find_checkpoint(&config, &mut record, &mut lineage)? {
                Some(checkpoint) => Start::Checkpoint(Box::new(checkpoint)),
                None => Start::Weights(transfer(&*engine)?),
            },
        };
        if let Some(before) = &resumed {
            record.run.note_command(&config.command)?;
            take_over(&config, &mut record, before)?;
        }
        introduce(&config, &mut record, &*engine);
        let statistics = match statistics(&config, &mut record) {
            Err(error) if matches!(error.kind, Kind::Interrupted(_)) && config.only_forecast => {
                record.run.remove();
                return Err(error);
            }
            statistics => statistics?,
        };
        check::every_class_decodes(config.dataset.train()?, &statistics.usable, &config.dataset.classes)?;
        let preprocess = Preprocess::new(&recipe.input, &statistics);
        let numbers =
            start.numbers(&mut record, model.as_ref().map(|(model, _)| model), preprocess, recipe.input.mean);
        let Numbers { state, parameters, velocities, preprocess, best } = numbers;
        let step = state.step;
        record.go_back(state.lines, &state.unwritten)?;
        let preprocess = Arc::new(preprocess);
        let train = config.dataset.train()?.clone();
        let golden = golden_squares(&train, &statistics.usable, &preprocess)?;
        let keeper = Keeper::start(&record.run.checkpoints(), config.checkpoints, state.step)?;
        let journal = Journal::open(record.run.folder())?;
        let mut trainer = Self {
            basis: statistics.color_basis(),
            usable: statistics.usable.clone(),
            skipped: statistics.skipped.clone(),
            record,
            engine,
            train,
            preprocess,
            golden,
            lineage,
            keeper,
            edits: Journal::edits(&config.recipe, journal.entries()),
            edited: 0,
            journal,
            took_up: (Instant::now(), state.seconds),
            state,
            gone_back: None,
            watch: Watch::default(),
            unsaved: Vec::new(),
            lost: false,
            resumed_at: resumed.as_ref().map(|_| step),
            measuring: Some(Default::default()),
            forecast: None,
            config,
        };
        trainer.config.dataset.set_statistics(statistics);
        trainer.tell_start(resumed.as_ref().map(|_| step));
        trainer.take_up()?;
        if resumed.is_some() {
            trainer.take_up_best(best)?;
        }
        trainer.engine.load(&parameters)?;
        velocities.map_or(Ok(()), |velocities| trainer.engine.load_velocities(&velocities))?;
        trainer.take_up_last()?;
        if resumed.is_some() {
            trainer.record.say(&format!("goes on after step {}", grouped(trainer.state.step)));
        }
        // There is always something to go back to, and to go on from.
        if trainer.state.step == 0 && trainer.state.pace.epochs == 0 {
            trainer.save_checkpoint()?;
        }
        Ok(trainer)
    }
}

impl Trainer<'_> {
    fn tell_start(&mut self, resumed_at: Option<usize>) {
        let schedule = self.schedule();
        let run = self.record.run.folder().to_path_buf();
        let history = self.record.history().to_vec();
        self.record.observers.notify(&Event::Started(Started {
            run: &run,
            recipe: &self.config.recipe,
            epochs: schedule.epochs,
            epoch_steps: self.usable.len().div_ceil(self.config.recipe.optimizer.batch),
            resumed_at,
            history: &history,
        }));
    }
}

/// Refuses validation images of which none decodes. Looks no further than the first that does: reading all would take
/// as long as a validation.
fn check_validation(config: &Config) -> Result<()> {
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
    Err(Error::data(format!(
        "{origin}: none of the {images} images of split `{name}` decodes; the first, {file}: {reason}"
    ))
    .help(format!(
        "replace them, or remove the {name} images and train without; `alexnet data check SRC` lists them"
    )))
}

/// The model that the training starts from, if it does from one, and the digest of its file. A training that goes on only
/// asks for it when there is no checkpoint.
fn init_model(config: &Config, resumed: Option<&Origin>) -> Result<Option<(Model, String)>> {
    let path = match (resumed, &config.run) {
        (Some(origin), RunFolder::Resume { folder, .. })
            if checkpoint::list(&folder.join(CHECKPOINTS)).is_empty() =>
        {
            &origin.init
        }
        (Some(_), _) => &None,
        (None, _) => &config.init,
    };
    let Some(path) = path else { return Ok(None) };
    let path = model_path(path)?;
    let bytes = std::fs::read(&path).map_err(|error| Error::io(&path, "read the model", &error))?;
    Ok(Some((Model::load(&path)?, hex(&Sha256::digest(&bytes)))))
}

/// A model's mean is taken with its weights, where it means the same and the recipe does not give another.
fn takes_mean(model: &Model, preprocess: &Preprocess, mean: Mean) -> bool {
    // A mean of many images is the same whether a few of them are upright or not.
    let without = |preprocess: &Preprocess| Preprocess {
        mean: Vec::new(),
        orientation: Orientation::default(),
        ..preprocess.clone()
    };
    without(&model.preprocess) == without(preprocess)
        && model.preprocess.mean.len() == preprocess.mean.len()
        && !matches!(mean, Mean::Fixed(_))
}

/// What `run.json` says of a configuration.
fn origin(config: &Config) -> Origin {
    let absolute = |path: &PathBuf| std::path::absolute(path).unwrap_or_else(|_| path.clone());
    Origin {
        format_version: Origin::FORMAT_VERSION,
        source: config.source.as_ref().map(absolute),
        seed: config.seed,
        init: config.init.as_ref().map(absolute),
        requests: config.requests.clone(),
    }
}

/// Writes down where the images are now and what is asked for, and says what differs from before.
fn take_over(config: &Config, record: &mut Record<'_>, before: &Origin) -> Result<()> {
    let now = Origin { init: before.init.clone(), ..origin(config) };
    let difference = before.requests.difference(&now.requests);
    if let Some(difference) = difference {
        record.say(&format!("differs from before: {difference}"));
    }
    if let (true, Some(source)) = (now.source != before.source, &now.source) {
        record.say(&format!("the images are in {} now", source.display()));
    }
    record.run.set_origin(&now)
}

fn open_folder(config: &Config) -> Result<Run> {
    let origin = origin(config);
    let create =
        |folder: Option<&Path>, over| Run::create(folder, &config.recipe, &origin, &config.command, over);
    match &config.run {
        RunFolder::New(folder) => create(folder.as_deref(), false),
        RunFolder::Over(folder) => create(Some(folder), true),
        RunFolder::Resume { folder, .. } => Run::resume(folder),
    }
}

/// The checkpoint from which the training goes on; `None`: it was stopped before its first.
fn find_checkpoint(
    config: &Config,
    record: &mut Record<'_>,
    lineage: &mut Lineage,
) -> Result<Option<Checkpoint>> {
    let RunFolder::Resume { folder, accept_changes } = &config.run else { return Ok(None) };
    let (found, damaged) = checkpoint::newest(&record.run.checkpoints())?;
    damaged.iter().for_each(|error| record.note(&format!("{error}; the checkpoint before is used")));
    let Some(mut found) = found else { return Ok(None) };
    // A model that it started from is in its numbers already.
    lineage.init.clone_from(&found.lineage.init);
    if *accept_changes && found.lineage.difference(lineage).is_none() {
        record.note("--accept-changes has no effect: nothing has changed");
    }
    if let Some(difference) = found.lineage.difference(lineage) {
        if !accept_changes {
            let shown = folder.display();
            return Err(Error::usage(format!("{shown} was trained otherwise than it would go on: {difference}"))
                .help(format!(
                    "put back what was changed; or go on with it all the same: `alexnet train --resume {} --accept-changes`",
                    shell(folder)
                )));
        }
        record.say(&format!("goes on with what was changed: {difference}"));
        record.run.set_recipe(&config.recipe)?;
        let before = Recipe::parse(&found.lineage.recipe, "the checkpoint's recipe")?;
        if found.lineage.data != lineage.data || before.optimizer.batch != config.recipe.optimizer.batch {
            // So many batches of the old images' order mean nothing in that of the new.
            found.state.batches = 0;
            (found.state.epoch, found.state.late, found.state.recent) = Default::default();
        }
        if !judges_alike(&found.lineage, lineage) {
            record.note(
                "models were judged on other validation images before: the best model is chosen anew from here",
            );
            (found.state.best, found.best) = (None, None);
        }
        if before.input != config.recipe.input {
            // The old mean may have another size, or belong to other pixels.
            found.mean.clear();
        }
    }
    Ok(Some(found))
}

fn introduce(config: &Config, record: &mut Record<'_>, engine: &dyn Engine) {
    let Config { recipe, dataset, .. } = config;
    record.say(&format!("recipe {}, {} classes of {}", recipe.name, dataset.classes.len(), dataset.origin));
    dataset.notes.iter().for_each(|note| record.note(note));
    record.say(&format!(
        "{} parameters, {} multiply-adds for an image; {} images to train on, {} to validate on",
        grouped(engine.network().parameters()),
        grouped(engine.network().macs()),
        grouped(dataset.train().map_or(0, Split::len)),
        grouped(dataset.val().map_or(0, Split::len))
    ));
    record.say(&engine.memory().to_string());
}

/// The statistics of the training images: those that the run folder holds, or measured now and put there.
fn statistics(config: &Config, record: &mut Record<'_>) -> Result<Statistics> {
    let (train, side) = (config.dataset.train()?, config.recipe.input.square);
    let folder = record.run.folder().to_path_buf();
    let goes_on = matches!(config.run, RunFolder::Resume { accept_changes: false, .. });
    if let Some(known) = goes_on.then(|| Statistics::load(&folder, side, train.len()).ok()).flatten() {
        return Ok(known);
    }
    record.start_phase(Phase::Statistics, train.len(), 0);
    let shared = Mutex::new(&mut *record);
    let advance = |_| {
        let mut record = shared.lock().unwrap_or_else(PoisonError::into_inner);
        record.advance(1, None);
        match record.observers.wants_stop() {
            true => Err(Error::new(Kind::Runtime, "stopped by an observer")),
            false => config.interrupt.check(),
        }
    };
    let statistics = Statistics::measure(train, side, config.threads, &advance);
    record.end_phase();
    let statistics = statistics.map_err(|error| match error.kind {
        Kind::Interrupted(_) if !config.only_forecast => {
            let go_on = format!("to go on: `alexnet train --resume {}`", shell(&folder));
            error.context("before the first step").help(go_on)
        }
        _ => error,
    })?;
    record.skipped(&statistics.skipped);
    if let Err(error) = statistics.save(&folder) {
        record.warn(&error.help("the training goes on; should it be resumed, they are measured again"));
    }
    Ok(statistics)
}

/// The squares of the first images of the training set, for the model file.
fn golden_squares(split: &Split, usable: &[usize], preprocess: &Preprocess) -> Result<Vec<Image>> {
    let mut squares = Vec::new();
    for &index in usable.iter().take(GOLDEN) {
        if let Ok(image) = split.image(index)? {
            squares.push(preprocess.square(&image));
        }
    }
    Ok(squares)
}
