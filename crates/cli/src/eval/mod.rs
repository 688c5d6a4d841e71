//! `alexnet eval`: top-1, top-5, and loss of a model or an ensemble.

pub(crate) mod choice;
mod report;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use super::args::model::EvalArgs;
use super::cluster::Cluster;
use super::exit::CommandResult;
use super::output::Output;
use super::ui::Progress;
use alexnet::data::pack::SquaresUser;
use alexnet::data::{Dataset, Preprocess, Split};
use alexnet::error::Kind;
use alexnet::eval::{Classifier, Evaluation, Part, Predictor, evaluate_shared, model_path, same_classes};
use alexnet::parallel::Collective;
use alexnet::parallel::traffic::Payload;
use alexnet::parallel::transport::Lane;
use alexnet::{Error, Result};
use choice::{Choice, choose};
use report::Report;

pub(crate) fn run(args: &EvalArgs, cluster: &Cluster, out: &mut Output) -> CommandResult {
    let begin = Instant::now();
    // Cheap checks come before loading models and listing images.
    args.models.iter().try_for_each(|path| model_path(path).map(drop))?;
    let data = Dataset::open(&args.data)?;
    data.notes.iter().for_each(|text| out.note(text));
    let threads = cluster.threads(args.machine.threads());
    let options = args.precision.options(args.batch as usize, threads);
    let load = |path| Predictor::load(path, &options);
    let mut models = args.models.iter().map(|path| load(path)).collect::<Result<Vec<Predictor>>>()?;
    same_classes(&models)?;
    check_each_once(&models)?;
    let Choice { split, seen, note } = choose(&data, &args.data, args.split.as_deref(), &models)?;
    note.into_iter().for_each(|text| out.note(&text));
    let split = split.relabel(&data.classes, &models[0].classes)?;
    for model in &models {
        let Preprocess { square, orientation, .. } = *model.preprocess;
        split
            .check_packed(square, orientation, SquaresUser::Model)?
            .into_iter()
            .for_each(|text| out.note(&text));
    }
    let views = args.views.views.unwrap_or(models[0].views);
    let evaluation = evaluate(&mut models, &split, views, threads, cluster, Progress::new(out.display()))?;
    if evaluation.images == 0 {
        return Err(no_image_decoded(&data, &split, &evaluation).into());
    }
    if !cluster.is_root() {
        return Ok(0);
    }
    let report = Report {
        evaluation: &evaluation,
        models: &models,
        data: &data,
        split: &split.name,
        seen,
        views,
        half: args.precision.half,
    };
    let seconds = begin.elapsed().as_secs_f64();
    out.result(|| report.text(), || report.json(seconds))?;
    Ok(0)
}

/// Evaluates this process's share of the split, and combines it with those of the others.
fn evaluate(
    models: &mut [Predictor],
    split: &Split,
    views: usize,
    threads: usize,
    cluster: &Cluster,
    mut progress: Progress,
) -> Result<Evaluation> {
    let mut classifiers: Vec<Classifier<'_>> = models.iter_mut().map(Predictor::classifier).collect();
    let ranks = Collective::world(cluster.transport(), Lane::Main, Payload::Control, &Arc::default());
    let counts: Vec<usize> = ranks.all_gather_values(&split.len())?;
    if counts.iter().any(|&count| count != split.len()) {
        return Err(Error::data(format!("the processes find {counts:?} images, expected the same number"))
            .help("all processes need the same images: use a folder that all of them share"));
    }
    progress.start("evaluation", split.len());
    let mut before = 0;
    let part = Part::alone(&ranks);
    let evaluation = evaluate_shared(&mut classifiers, split, views, threads, part, &mut |done| {
        progress.advance(done - before, None);
        before = done;
        Ok(())
    })?;
    progress.finish();
    evaluation.ok_or_else(|| Error::new(Kind::Runtime, "another process has ended the evaluation"))
}

/// Rejects a model that is named twice: it would count double in the average.
fn check_each_once(models: &[Predictor]) -> Result<()> {
    let place = |model: &Predictor| model.path.canonicalize().unwrap_or_else(|_| model.path.clone());
    let places: Vec<PathBuf> = models.iter().map(place).collect();
    match (1..places.len()).find(|&i| places[..i].contains(&places[i])) {
        None => Ok(()),
        Some(i) => Err(Error::usage(format!("{} is named twice", models[i].path.display()))
            .help("name each model of an ensemble once")),
    }
}

fn no_image_decoded(data: &Dataset, split: &Split, evaluation: &Evaluation) -> Error {
    let first = evaluation.skipped.first().map_or(String::new(), |s| format!(": {}: {}", s.file, s.reason));
    Error::data(format!(
        "{}: none of the {} images of split `{}` can be decoded{first}",
        data.origin,
        split.len(),
        split.name
    ))
    .help("images are JPEG or PNG files, one folder per class")
}
