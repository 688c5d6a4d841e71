//! The arguments of `alexnet train` as the configuration of a training run.

use std::path::Path;
use std::sync::Arc;

use super::{edits, job};
use crate::args::training::TrainArgs;
use crate::args::values::StepLimit;
use crate::cluster::Cluster;
use crate::command_line::command_line;
use crate::output::Output;
use crate::recipe::{self, run_recipe};
use crate::settings;
use crate::settings::Shorthand;
use crate::sources;
use alexnet::data::check::{introduce, several_classes};
use alexnet::data::embedded;
use alexnet::error::shell;
use alexnet::eval::model_path;
use alexnet::model::{Model, layout};
use alexnet::net::{Change, Edit, Recipe, RecipeUse};
use alexnet::train::origin::{Origin, is_run};
use alexnet::train::signals::Interrupt;
use alexnet::train::{Config, ImageSource, Requests, RunFolder};
use alexnet::{Error, Result};

/// Checks the arguments and builds the configuration. The recipe comes first: a mistake in it shows at once, while
/// listing a large source takes time.
pub(super) fn of(args: &TrainArgs, cluster: &Cluster, out: &Output) -> Result<Config> {
    let asked = job::asked(&args.job, cluster)?;
    let resumed = resumed_run(args);
    let mut recipe = recipe(args, resumed, out)?;
    let origin = resumed.map(Origin::read).transpose()?;
    if let (Some(run), Some(origin)) = (resumed, &origin) {
        let saved = run_recipe(run)?;
        recipe = origin.remedied(recipe, saved.clone());
        if !args.accept_changes && recipe != saved {
            edits::check_unchanged(args, run)?;
        }
        if args.accept_changes {
            edits::check_epochs(args, run)?;
        }
    }
    let source = source(args, origin.as_ref())?;
    if resumed.is_none() {
        check_run_folder(args.run.as_deref().or(args.resume_or_start.as_deref()), &source)?;
    }
    let requests = requests(args, asked, origin.as_ref().map(|origin| &origin.requests));
    job::check(&requests, cluster)?;
    settings::check_micro_batch(args, &requests, &recipe)?;
    let dataset = match &source {
        ImageSource::Path(source) => sources::open(source)?,
        ImageSource::BuiltIn | ImageSource::Memory => embedded::fashion_mnist()?,
    };
    settings::check_training(args, resumed, &recipe, &dataset, out)?;
    if let Some(run) = resumed {
        out.note(&format!("resuming {}", run.display()));
    }
    // A run with one class was allowed to have one when it started.
    introduce(&dataset)?.iter().for_each(|text| out.note(text));
    if !args.allow_one_class && resumed.is_none() {
        several_classes(&dataset)?;
    }
    Ok(Config {
        transport: Arc::clone(cluster.transport()),
        source,
        run: folder(args, resumed),
        init: args.init.clone(),
        command: command_line(),
        seed: args.seed.or(origin.map(|origin| origin.seed)).unwrap_or(0),
        requests,
        cores: cluster.threads(&args.machine),
        only_forecast: args.forecast,
        interrupt: Interrupt::on_signals(),
        ..Config::new(recipe, dataset)
    })
}

/// Rejects a run folder that is the folder of the images, or one of those in it. A new folder in it is never a class.
fn check_run_folder(run: Option<&Path>, source: &ImageSource) -> Result<()> {
    let (Some(run), Some(source)) = (run, source.path()) else { return Ok(()) };
    let (Ok(real), Ok(images)) = (run.canonicalize(), source.canonicalize()) else { return Ok(()) };
    let is_no_class = layout::is_unused(run) || (is_run(run) && real != images);
    if is_no_class || !real.starts_with(&images) {
        return Ok(());
    }
    let message =
        format!("{} is the folder of the images or a folder in it, expected another", run.display());
    Err(Error::usage(message).help("choose a folder outside of the images: `--run runs/NAME`"))
}

/// The run to resume, if any.
fn resumed_run(args: &TrainArgs) -> Option<&Path> {
    args.resume.as_deref().or(args.resume_or_start.as_deref().filter(|folder| is_run(folder)))
}

/// Where the images are: as given, or where the resumed run had them.
fn source(args: &TrainArgs, origin: Option<&Origin>) -> Result<ImageSource> {
    let (None, Some(Origin { source, .. }), Some(run)) = (&args.source, origin, &args.resume) else {
        return Ok(args.source.clone().map_or(ImageSource::BuiltIn, ImageSource::Path));
    };
    match source {
        ImageSource::Path(source) if !source.exists() => {
            Err(Error::data(format!("{}: the images of this run do not exist any more", source.display()))
                .help(format!("if they have moved: `alexnet train NEW/PATH --resume {}`", shell(run))))
        }
        ImageSource::Memory => Err(Error::data(format!(
            "{}: the images of this run were arrays in memory, which its folder does not contain",
            run.display()
        ))
        .help("resume it where they are, in Python: `alexnet.train(dataset, resume=RUN)`")),
        ImageSource::Path(_) | ImageSource::BuiltIn => Ok(source.clone()),
    }
}

/// The run-time options given now, and those of the resumed run where none are given.
fn requests(args: &TrainArgs, asked: job::Asked, before: Option<&Requests>) -> Requests {
    let now = Requests {
        steps: match args.steps {
            Some(StepLimit::Steps(steps)) => Some(steps),
            Some(StepLimit::None) | None => None,
        },
        threads: args.machine.threads.map(usize::from),
        workers: args.workers.map(usize::from),
        micro_batch: args.micro_batch.map(|n| n as usize),
        checkpoint_minutes: args.checkpoint_minutes,
        checkpoint_steps: args.checkpoint_steps.map(|steps| steps as usize),
        on_divergence: args.on_divergence.map(Into::into),
        on_plateau: args.on_plateau.map(Into::into),
        scheme: asked.scheme,
        leaves: asked.leaves,
        exchange_precision: asked.precision,
    };
    let Some(before) = before else { return now };
    let steps = if args.steps == Some(StepLimit::None) { None } else { before.steps };
    now.or(&Requests { steps, ..before.clone() })
}

fn folder(args: &TrainArgs, resumed: Option<&Path>) -> RunFolder {
    match (resumed, &args.resume_or_start, &args.run) {
        (Some(run), _, _) => {
            RunFolder::Resume { folder: run.to_owned(), accept_changes: args.accept_changes }
        }
        (None, Some(folder), _) => RunFolder::New(Some(folder.clone())),
        (None, None, Some(folder)) if args.exist_ok => RunFolder::Over(folder.clone()),
        (None, None, folder) => RunFolder::New(folder.clone()),
    }
}

/// The options that stand for settings of the recipe.
fn shorthands(args: &TrainArgs) -> Vec<Shorthand> {
    let epochs = args.epochs.map(|epochs| epochs.to_string());
    let precision = args.precision.map(|precision| precision.name().to_owned());
    [("--epochs", "schedule.epochs", epochs), ("--precision", "precision", precision)]
        .into_iter()
        .filter_map(|(option, key, value)| Some(Shorthand { option, key, value: value? }))
        .collect()
}

/// The recipe with `--set`, `--epochs`, `--precision`, and `--freeze` applied, and validated as a whole.
fn recipe(args: &TrainArgs, resumed: Option<&Path>, out: &Output) -> Result<Recipe> {
    let mut recipe = match (&args.recipe, &args.init, resumed) {
        (Some(recipe), _, _) => recipe::load(recipe)?,
        (None, _, Some(run)) => {
            Origin::read(run)?;
            run_recipe(run)?
        }
        (None, Some(model), None) => Model::load(model_path(model)?)?.recipe,
        (None, None, None) => return Err(Error::usage("no recipe given").help("pass `--recipe small`")),
    };
    settings::apply(&mut recipe, &args.set, &shorthands(args), RecipeUse::Training, out)?;
    if !recipe.precision.is_native() {
        out.note(
            "this processor does not multiply bfloat16 values: products are computed in single precision, no faster",
        );
    }
    for (i, layer) in args.freeze.iter().enumerate() {
        let change = Change::Freeze(layer.clone());
        change.check(&recipe).map_err(|error| error.context(format!("--freeze {layer}")))?;
        let edit = Edit { step: 0, change };
        // That of a run that is resumed has it.
        if !recipe.edits.contains(&edit) {
            recipe.edits.insert(i, edit);
        }
    }
    Ok(recipe)
}
