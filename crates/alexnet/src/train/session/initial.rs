//! Initial values of a session: random, from a model, or from a checkpoint.

use std::path::Path;

use sha2::{Digest, Sha256};

use super::reporter::Reporter;
use crate::data::{Identity, Preprocess};
use crate::engine::{Tensor, check_tensors};
use crate::error::shell;
use crate::eval::model_path;
use crate::format::hex;
use crate::model::layout::{self, CHECKPOINTS};
use crate::model::{Model, ModelFile};
use crate::net::{Mean, Network, Orientation, Recipe};
use crate::train::checkpoint::{self, Checkpoint, Newest, State};
use crate::train::config::{Config, RunFolder};
use crate::train::init::initialize;
use crate::train::lineage::Lineage;
use crate::train::origin::Origin;
use crate::train::tally::Tally;
use crate::train::transfer::Transfer;
use crate::{Error, Result};

/// Where the values come from.
pub(super) enum Source {
    Weights(Transfer),
    Checkpoint(Box<Checkpoint>),
}

/// The values of a training run at its first step in this process.
pub(super) struct InitialValues {
    pub(super) state: State,
    pub(super) parameters: Vec<Tensor>,
    /// `None` for zeros.
    pub(super) velocities: Option<Vec<Tensor>>,
    pub(super) preprocess: Preprocess,
    /// Parameters of a best model that could not be saved before.
    pub(super) best: Option<Vec<Tensor>>,
}

/// The model that a training run starts from.
pub(super) struct InitModel {
    pub(super) model: Model,
    /// Of its file.
    pub(super) digest: String,
}

impl InitModel {
    /// Loads the model that the training starts from, if any. A resumed training needs it only if it has no checkpoint.
    pub(super) fn load(config: &Config, resumed: Option<&Origin>) -> Result<Option<Self>> {
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
        // Read once: another training run may replace the file.
        let bytes = ModelFile::bytes(&path)?;
        let model = Model::from_bytes(&bytes, &path)?;
        Ok(Some(Self { model, digest: hex(&Sha256::digest(&bytes)) }))
    }
}

impl Source {
    /// Random weights, with those of a model where they fit.
    pub(super) fn weights(config: &Config, network: &Network, init: Option<&InitModel>) -> Result<Self> {
        let random = initialize(network, config.seed)?;
        Ok(Self::Weights(match init {
            Some(init) => Transfer::new(&init.model, &config.dataset.classes, random)?,
            None => Transfer { parameters: random, ..Transfer::default() },
        }))
    }

    /// Returns the initial values. `preprocess` is that of the images' statistics; a checkpoint, and a model where possible,
    /// bring their own mean.
    pub(super) fn values(
        self,
        init: Option<&InitModel>,
        preprocess: Preprocess,
        mean: Mean,
        reporter: &mut Reporter<'_>,
    ) -> InitialValues {
        match self {
            Self::Checkpoint(checkpoint) => InitialValues {
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
                transfer.messages().iter().for_each(|line| reporter.info(line));
                let model = init.map(|init| &init.model);
                let model = model.filter(|model| has_suitable_mean(model, &preprocess, mean));
                let preprocess = match model {
                    None => preprocess,
                    Some(model) => {
                        reporter.info("using the mean of the model, with which its weights were learned");
                        Preprocess { mean: model.preprocess.mean.clone(), ..preprocess }
                    }
                };
                let (state, parameters) = (State::default(), transfer.parameters);
                InitialValues { state, parameters, velocities: None, preprocess, best: None }
            }
        }
    }
}

/// Whether a model's mean fits: it is preprocessed the same, and the recipe gives no other mean.
fn has_suitable_mean(model: &Model, preprocess: &Preprocess, mean: Mean) -> bool {
    // The orientation of a few images does not matter for the mean of many.
    let without = |preprocess: &Preprocess| Preprocess {
        mean: Vec::new(),
        orientation: Orientation::default(),
        ..preprocess.clone()
    };
    without(&model.preprocess) == without(preprocess)
        && model.preprocess.mean.len() == preprocess.mean.len()
        && !matches!(mean, Mean::Fixed(_))
}

/// Loads the checkpoint from which a run is resumed; `None` if it was stopped before its first. Completes `lineage` with what
/// only the checkpoint knows, and refuses one that differs from that of the run, unless changes are accepted.
pub(super) fn find_checkpoint(
    config: &Config,
    network: &Network,
    lineage: &mut Lineage,
    reporter: &mut Reporter<'_>,
) -> Result<Option<Checkpoint>> {
    let RunFolder::Resume { folder, accept_changes } = &config.run else { return Ok(None) };
    let Newest { mut checkpoint, damaged } = checkpoint::newest(&reporter.run.checkpoints())?;
    for error in damaged {
        reporter.warning(&format!("{error}; using the checkpoint before"));
    }
    let before = match &checkpoint {
        Some(checkpoint) => {
            // The values of a model that it started from are in the checkpoint already.
            lineage.init.clone_from(&checkpoint.lineage.init);
            checkpoint.lineage.clone()
        }
        None => {
            check_not_trained(folder)?;
            started_with(folder, lineage)?
        }
    };
    let Some(difference) = before.difference(lineage) else {
        if *accept_changes {
            reporter.note("--accept-changes has no effect: nothing has changed");
        }
        return Ok(checkpoint);
    };
    if let Some(checkpoint) = &checkpoint {
        check_fit(checkpoint, network, lineage, folder)?;
    }
    if !accept_changes {
        let shown = folder.display();
        let message =
            format!("cannot resume {shown}: these settings differ from the saved run: {difference}");
        return Err(Error::usage(message).help(format!(
            "restore the original settings, or accept the changes: {}",
            accepting(&config.command, folder)
        )));
    }
    reporter.info(&format!("resuming with changed settings: {difference}"));
    if let Some(checkpoint) = &mut checkpoint {
        adapt(checkpoint, config, lineage, reporter)?;
    }
    // Last: a run that cannot be resumed stays as it is.
    reporter.run.set_recipe(&config.recipe)?;
    Ok(checkpoint)
}

/// The lineage of a run without a checkpoint, as far as its folder has it: nothing was learned from its images yet.
fn started_with(folder: &Path, now: &Lineage) -> Result<Lineage> {
    let path = folder.join(layout::RECIPE);
    let recipe = std::fs::read_to_string(&path).map_err(|error| Error::io(&path, "read the file", &error))?;
    Ok(Lineage { recipe, seed: Origin::read(folder)?.seed, ..now.clone() })
}

/// Refuses to start a run again that has lost its checkpoints. One that was killed while it wrote its first has no model yet.
fn check_not_trained(run: &Path) -> Result<()> {
    match layout::model(run) {
        None => Ok(()),
        Some(model) => Err(Error::model(format!(
            "{}: the run has no checkpoint, but a model: {}",
            run.display(),
            model.display()
        ))
        .help(format!(
            "restore its folder `{CHECKPOINTS}`, or start a new run from its weights: `alexnet train SRC --init {}`",
            shell(run)
        ))),
    }
}

/// Refuses changes that no run can go on with: its outputs would mean other classes, or its weights would not fit the network.
fn check_fit(checkpoint: &Checkpoint, network: &Network, lineage: &Lineage, run: &Path) -> Result<()> {
    let start_anew = |error: Error| {
        let again = "restore the original settings, or start a new run with these";
        match layout::model(run) {
            Some(_) => error.help(format!(
                "{again}; `--init {}` starts it from the weights of this one, as far as they fit",
                shell(run)
            )),
            None => error.help(again),
        }
    };
    if checkpoint.lineage.data.classes != lineage.data.classes {
        let difference = checkpoint.lineage.data.difference(&lineage.data).unwrap_or_default();
        let shown = run.display();
        return Err(start_anew(Error::usage(format!(
            "cannot resume {shown} with other classes than those of its outputs: {difference}"
        ))));
    }
    check_tensors(network, &checkpoint.parameters).map_err(|error| {
        let shown = run.display();
        start_anew(Error::usage(format!(
            "cannot resume {shown} with another network than that of its weights: {}",
            error.message
        )))
    })
}

/// How to resume a run with the changes that `command` asks for.
fn accepting(command: &str, folder: &Path) -> String {
    // A call of Python is no command of the program.
    if command.starts_with("python:") {
        return "pass `accept_changes=True`".to_owned();
    }
    match is_training(command) {
        true => format!("`{command} --accept-changes`"),
        false => format!("`alexnet train --resume {} --accept-changes`", shell(folder)),
    }
}

/// Whether a command, as the program records it, is `alexnet train`: options of all commands may stand before its name, and the
/// path of the program is quoted if it contains spaces.
fn is_training(command: &str) -> bool {
    let arguments = match command.trim_start_matches('$').strip_prefix('\'') {
        Some(quoted) => quoted.split_once("' "),
        None => command.split_once(' '),
    };
    let Some((_, arguments)) = arguments else { return false };
    arguments.split(' ').find(|word| !word.starts_with('-')) == Some("train")
}

/// Drops what a checkpoint of another lineage holds that no longer applies.
fn adapt(
    checkpoint: &mut Checkpoint,
    config: &Config,
    lineage: &Lineage,
    reporter: &mut Reporter<'_>,
) -> Result<()> {
    let before = Recipe::parse(&checkpoint.lineage.recipe, "the checkpoint's recipe")?;
    let state = &mut checkpoint.state;
    if checkpoint.lineage.data != lineage.data || before.optimizer.batch != config.recipe.optimizer.batch {
        // The position in the order of the old images means nothing in that of the new ones.
        state.batches = 0;
        (state.epoch, state.late, state.recent) = (Tally::default(), Tally::default(), Tally::default());
    }
    if !have_same_validation(&checkpoint.lineage, lineage) {
        reporter.note("the validation images have changed: the best model is chosen anew from here");
        (state.best, checkpoint.best) = (None, None);
        (state.lr.best_error, state.lr.epochs_without_improvement) = (None, 0);
    }
    if before.input != config.recipe.input {
        // The old mean may have another size, or belong to other pixels.
        checkpoint.mean.clear();
    }
    Ok(())
}

/// Whether the evaluations of models of two lineages can be compared: those of the same validation images.
fn have_same_validation(before: &Lineage, now: &Lineage) -> bool {
    let val = |lineage: &Lineage| -> Option<_> {
        let split =
            |data: &Identity, name: &str| data.splits.iter().find(|split| split.name == name).cloned();
        split(&lineage.data, "val").or_else(|| split(&lineage.data, "test"))
    };
    val(before) == val(now)
}
