//! `alexnet eval`: the accuracy of a model or an ensemble with intervals, per class and by confidence, and the comparison with
//! another model.

mod calibration;
mod classes;
mod comparison;
mod measure;
mod models;
mod report;
mod views;

use std::time::Instant;

use super::args::model::EvalArgs;
use super::cluster::Cluster;
use super::exit::CommandResult;
use super::models::{names_a_model, shared_views};
use super::output::Output;
use super::sources;
use alexnet::data::pack::{SquaresUser, check_outside};
use alexnet::data::{Preprocess, Split};
use alexnet::error::shell;
use alexnet::eval::export::Export;
use alexnet::eval::{Analysis, Keep, Predictor, model_path, notes};
use alexnet::net::Views;
use alexnet::train::unseen::{Choice, choose};
use alexnet::{Error, Result};
use calibration::Scaling;
use comparison::Comparison;
use measure::Measure;
use models::Models;
use report::Report;

pub(crate) fn run(args: &EvalArgs, cluster: &Cluster, out: &mut Output) -> CommandResult {
    let begin = Instant::now();
    // Cheap checks come before loading models and listing images.
    args.models
        .iter()
        .chain(&args.against)
        .try_for_each(|path| model_path(path).map(drop).map_err(|error| in_order(error, args)))?;
    if let Some(folder) = args.out.as_ref().filter(|_| cluster.is_root()) {
        // In it, it would be a class without images.
        check_outside(&args.data, folder)
            .map_err(|error| error.help("write the results to a folder outside it: `--out results`"))?;
        std::fs::create_dir_all(folder).map_err(|e| Error::io(folder, "create the folder", &e))?;
    }
    let data = sources::open(&args.data)?;
    data.notes.iter().for_each(|text| out.note(text));
    let threads = cluster.threads(&args.machine);
    let mut models = Models::load(args, threads)?;
    let Choice { split, seen, note } = choose(&data, &args.data, args.split.as_deref(), models.all())?;
    note.into_iter().for_each(|text| out.note(&text));
    notes::of_weights(split, models.all()).iter().for_each(|text| out.note(text));
    let classes = models.first()[0].classes.clone();
    let relabeled = split.relabel(&data.classes, &classes)?;
    check_squares(&relabeled, models.all(), out)?;
    notes::of_classes(&relabeled, &data.classes, &classes).iter().for_each(|text| out.note(text));
    if args.temperature && relabeled.len() < 2 {
        return Err(Error::data(format!(
            "{}: split `{}` has {} image, expected at least two to fit a temperature",
            data.origin,
            split.name,
            relabeled.len()
        ))
        .into());
    }

    let measure = Measure { cluster, threads, display: out.display() };
    let views = averaged_views(args, models.first(), out);
    let keep = if args.temperature { Keep::Probabilities } else { Keep::Predictions };
    let results = measure.results(models.first_mut(), &relabeled, views, keep)?;
    if results.images.is_empty() {
        return Err(sources::none_decoded(&data.origin, &relabeled, &results.skipped).into());
    }
    let against = match models.second_mut() {
        [] => None,
        others => {
            let views = averaged_views(args, others, out);
            let split = split.relabel(&data.classes, &others[0].classes)?;
            Some((measure.results(others, &split, views, Keep::Predictions)?, views))
        }
    };
    if !cluster.is_root() {
        return Ok(0);
    }
    let comparison = match &against {
        None => None,
        Some((others, views)) => Some(Comparison::of(&results, others, &models, &relabeled, *views)?),
    };
    comparison.iter().filter_map(Comparison::note).for_each(|text| out.note(&text));
    let analysis = Analysis::of(&results, classes.len());
    let scaling = if args.temperature { Scaling::fit(&results) } else { None };
    if let Some(folder) = &args.out {
        let against = comparison.as_ref().map(|comparison| &comparison.images[..]);
        let split = &relabeled;
        Export { results: &results, analysis: &analysis, split, classes: &classes, against }.write(folder)?;
    }
    let report = Report {
        analysis: &analysis,
        models: models.first(),
        classes: &classes,
        data: &data,
        split: &relabeled.name,
        seen,
        views,
        half: args.precision.half,
        scaling: scaling.as_ref(),
        comparison: comparison.as_ref(),
        folder: args.out.as_deref(),
    };
    let seconds = begin.elapsed().as_secs_f64();
    out.result(|| report.text(), || report.json(seconds))?;
    Ok(0)
}

/// The views of one model or of several that are averaged.
fn averaged_views(args: &EvalArgs, models: &[Predictor], out: &Output) -> Views {
    shared_views(args.views.views, models.iter().map(|model| model.views), out)
}

/// The error of a model that cannot be found; if the images are one, with the command in order.
fn in_order(error: Error, args: &EvalArgs) -> Error {
    match &args.models[..] {
        [first] if names_a_model(&args.data) && !names_a_model(first) && first.exists() => {
            let command = format!("alexnet eval {} --data {}", shell(&args.data), shell(first));
            error.help(format!("the model comes first: `{command}`"))
        }
        _ => error,
    }
}

/// Checks that packed squares suit all models.
pub(crate) fn check_squares(split: &Split, models: &[Predictor], out: &Output) -> Result<()> {
    for member in models.iter().flat_map(|model| &model.members) {
        let Preprocess { square, orientation, .. } = *member.preprocess;
        let note = split.check_packed(square, orientation, SquaresUser::Model)?;
        note.into_iter().for_each(|text| out.note(&text));
    }
    Ok(())
}
