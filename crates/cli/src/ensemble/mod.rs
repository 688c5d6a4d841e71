//! `alexnet ensemble`: several models in one file.

mod report;
mod search;
mod source;
mod weights;

use std::path::{Path, PathBuf};
use std::time::Instant;

use super::args::ensemble::EnsembleArgs;
use super::exit::CommandResult;
use super::models::{check_each_once, check_new, shared_views};
use super::output::Output;
use alexnet::error::shell;
use alexnet::eval::model_path;
use alexnet::model::{Ensemble, Member, ModelFile, check_same_classes, check_weights};
use alexnet::train::signals::Interrupt;
use alexnet::{Error, Result};
use report::Report;
use search::Search;
use source::Source;
use weights::Weights;

pub(crate) fn run(args: &EnsembleArgs, out: &mut Output) -> CommandResult {
    let begin = Instant::now();
    let paths = check_arguments(args)?;
    let interrupt = Interrupt::on_signals();
    interrupt.listen()?;
    let models = paths.into_iter().map(Source::load).collect::<Result<Vec<_>>>()?;
    check_models(&models)?;
    note_recipes(&models, out);
    let of_recipes = models.iter().map(|source| source.model.recipe().evaluation.views);
    let views = shared_views(args.views.views, of_recipes, out);
    let threads = args.machine.threads();
    let weights = match (&args.weights, &args.search_weights) {
        (Some(weights), _) => Weights::Specified(weights.clone()),
        (None, Some(source)) => {
            let search =
                Search::run(&models, source, args.split.as_deref(), views, threads, &interrupt, out)?;
            Weights::Searched(Box::new(search))
        }
        (None, None) => Weights::Equal,
    };
    let values = weights.values(models.len());
    for (model, _) in models.iter().zip(&values).filter(|(_, weight)| **weight == 0.0) {
        out.note(&format!("the weight of {} is 0: it is left out of the file", model.path.display()));
    }
    let report = Report::new(args, &models, &values, &weights, views);
    let members = models.into_iter().zip(&values).filter(|(_, weight)| **weight > 0.0);
    let members = members.map(|(Source { model, digest, .. }, &weight)| Member { model, weight, digest });
    Ensemble::new(members.collect(), views, weights.choice(), threads)?.save(&args.out)?;
    let seconds = begin.elapsed().as_secs_f64();
    out.result(|| report.text(), || report.json(seconds))?;
    Ok(0)
}

/// Checks what can be checked without reading a model, and returns the model files.
fn check_arguments(args: &EnsembleArgs) -> Result<Vec<PathBuf>> {
    let models = args.models.iter().map(shell).collect::<Vec<_>>().join(" ");
    if model_path(&args.out).is_ok() {
        let out = &args.out;
        if matches!(ModelFile::load(out), Ok(ModelFile::Ensemble(_))) {
            // An ensemble cannot be a member: the command is repeated.
            return check_new(out).map(|()| Vec::new());
        }
        return Err(Error::usage(format!(
            "{} exists already; the last argument is the file to write",
            out.display()
        ))
        .help(format!("`alexnet ensemble {models} {} OUT.safetensors`", shell(out))));
    }
    check_new(&args.out)?;
    let paths = args.models.iter().map(|path| model_path(path)).collect::<Result<Vec<PathBuf>>>()?;
    check_each_once(paths.iter().map(PathBuf::as_path))?;
    if paths.len() == 1 {
        return Err(Error::usage("one model, expected at least two")
            .help(format!("`alexnet ensemble {models} OTHER {}`", shell(&args.out))));
    }
    if let Some(weights) = &args.weights {
        check_weights(weights, paths.len()).map_err(|error| error.context("--weights"))?;
    }
    Ok(paths)
}

/// Checks that the models differ, and have the same classes.
fn check_models(models: &[Source]) -> Result<()> {
    for (i, model) in models.iter().enumerate() {
        if let Some(other) = models[..i].iter().find(|other| other.digest == model.digest) {
            return Err(Error::usage(format!(
                "{} has the same content as {}",
                model.path.display(),
                other.path.display()
            ))
            .help("name each model of an ensemble once"));
        }
    }
    let name = |path: &Path| path.display().to_string();
    check_same_classes(models.iter().map(|source| (name(&source.path), source.model.classes())))
}

fn note_recipes(models: &[Source], out: &Output) {
    let mut recipes: Vec<&str> = models.iter().map(|source| source.model.recipe().name.as_str()).collect();
    recipes.sort_unstable();
    recipes.dedup();
    if recipes.len() > 1 {
        out.note(&format!(
            "the models have different recipes ({}): each preprocesses images its own way",
            recipes.join(", ")
        ));
    }
}
