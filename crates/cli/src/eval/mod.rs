//! `alexnet eval`: top-1, top-5, and loss of a model or an ensemble.

pub(crate) mod choice;
mod report;

use std::sync::Arc;
use std::time::Instant;

use super::args::model::EvalArgs;
use super::cluster::Cluster;
use super::exit::CommandResult;
use super::models::model_files;
use super::output::Output;
use super::ui::Progress;
use alexnet::data::pack::SquaresUser;
use alexnet::data::{Dataset, Preprocess, Split, identity};
use alexnet::error::Kind;
use alexnet::eval::{Classifier, Evaluation, Part, Predictor, evaluate_shared, same_classes};
use alexnet::model::WeightChoice;
use alexnet::parallel::Collective;
use alexnet::parallel::traffic::Payload;
use alexnet::parallel::transport::Lane;
use alexnet::{Error, Result};
use choice::{Choice, choose};
use report::Report;

pub(crate) fn run(args: &EvalArgs, cluster: &Cluster, out: &mut Output) -> CommandResult {
    let begin = Instant::now();
    // Cheap checks come before loading models and listing images.
    let files = model_files(&args.models)?;
    let data = Dataset::open(&args.data)?;
    data.notes.iter().for_each(|text| out.note(text));
    let threads = cluster.threads(args.machine.threads());
    let options = args.precision.options(args.batch as usize, threads);
    let load = |path| Predictor::load(path, &options);
    let mut models = files.iter().map(|path| load(path)).collect::<Result<Vec<Predictor>>>()?;
    same_classes(&models)?;
    let Choice { split, seen, note } = choose(&data, &args.data, args.split.as_deref(), &models)?;
    note.into_iter().for_each(|text| out.note(&text));
    note_searched(&models, split, out);
    let split = split.relabel(&data.classes, &models[0].classes)?;
    for member in models.iter().flat_map(|model| &model.members) {
        let Preprocess { square, orientation, .. } = *member.preprocess;
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
    let mut classifiers: Vec<Classifier<'_>> = models.iter_mut().flat_map(Predictor::classifiers).collect();
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

/// Notes that the weights of an ensemble were chosen on the images of the evaluation.
fn note_searched(models: &[Predictor], split: &Split, out: &Output) {
    let digest = identity::digest_of(split);
    let searched_here = |model: &&Predictor| match model.ensemble.as_ref().map(|summary| &summary.weights) {
        Some(WeightChoice::Searched { searched_on, .. }) => *searched_on == digest,
        Some(WeightChoice::Equal | WeightChoice::Specified) | None => false,
    };
    for model in models.iter().filter(searched_here) {
        out.note(&format!(
            "the weights of {} were searched on these images: the result is optimistic",
            model.path.display()
        ));
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
