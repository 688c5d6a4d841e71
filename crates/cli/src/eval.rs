//! `alexnet eval`: top-1, top-5 and loss of a model or an ensemble.

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::time::Instant;

use serde_json::{Value, json};

use super::Ending;
use super::args::EvalArgs;
use super::output::{Output, note, percent, printable};
use alexnet::data::pack::Asker;
use alexnet::data::{Dataset, Preprocess, Split, identity};
use alexnet::eval::{Classifier, Evaluation, Predictor, ensemble, model_path, same_classes};
use alexnet::text::grouped;
use alexnet::train::origin::Origin;
use alexnet::train::progress::{Display, Progress};
use alexnet::{Error, Result};

/// Most skipped images that the text lists; the JSON lists all.
const LISTED: usize = 20;

pub(super) fn run(args: &EvalArgs, out: &mut Output) -> Ending {
    let begin = Instant::now();
    // What is cheap to find wrong comes before the models and the listing of the data.
    args.models.iter().try_for_each(|path| model_path(path).map(drop))?;
    let data = Dataset::open(&args.data)?;
    data.notes.iter().for_each(|text| note(text));
    let threads = args.machine.threads();
    let load = |path| Predictor::load(path, args.batch as usize, threads, args.precision.half);
    let mut models = args.models.iter().map(|path| load(path)).collect::<Result<Vec<Predictor>>>()?;
    same_classes(&models)?;
    check_each_once(&models)?;
    let Choice { split, seen } = choose(&data, &args.data, args.split.as_deref(), &models)?;
    let split = split.relabel(&data.classes, &models[0].classes)?;
    for model in &models {
        let Preprocess { square, orientation, .. } = *model.preprocess;
        split.check_packed(square, orientation, Asker::Model)?.into_iter().for_each(|text| note(&text));
    }
    let views = args.views.views.unwrap_or(models[0].views);
    let mut judges: Vec<Classifier<'_>> = models.iter_mut().map(Predictor::classifier).collect();
    let mut progress = Progress::new(Display::detect(false));
    progress.start("evaluation", split.len());
    let mut before = 0;
    let found = ensemble(&mut judges, &split, views, threads, &mut |done| {
        progress.advance(done - before, None);
        before = done;
        Ok(())
    })?;
    progress.finish();
    if found.images == 0 {
        return Err(nothing_judged(&data, &split, &found).into());
    }
    let report = Report {
        found: &found,
        models: &models,
        data: &data,
        split: &split.name,
        seen,
        views,
        half: args.precision.half,
    };
    if args.format.json {
        out.json(&report.json(begin.elapsed().as_secs_f64()))?;
    } else {
        out.text(&report.text())?;
    }
    Ok(0)
}

/// The same model twice has the mean of its own probabilities.
fn check_each_once(models: &[Predictor]) -> Result<()> {
    let place = |model: &Predictor| model.path.canonicalize().unwrap_or_else(|_| model.path.clone());
    let places: Vec<PathBuf> = models.iter().map(place).collect();
    match (1..places.len()).find(|&i| places[..i].contains(&places[i])) {
        None => Ok(()),
        Some(i) => Err(Error::usage(format!("{} is named twice", models[i].path.display()))
            .help("name each model of an ensemble once")),
    }
}

/// What the models have seen of a set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Seen {
    /// One was trained on its training images.
    Train,
    /// One was trained on the images that were in the same place then.
    EarlierTrain,
    /// All were trained on others.
    Nothing,
    /// Their files do not say.
    Unknown,
}

impl Seen {
    fn of(models: &[Predictor], data: &Dataset, source: &Path) -> Self {
        let Ok(train) = data.train() else { return Self::Unknown };
        let digest = identity::digest_of(train);
        if models.iter().any(|model| model.trained_on.as_ref() == Some(&digest)) {
            return Self::Train;
        }
        let here = source.canonicalize().ok();
        let came_from =
            |model: &Predictor| Origin::read(model.path.parent()?).ok()?.source?.canonicalize().ok();
        if here.is_some() && models.iter().any(|model| came_from(model) == here) {
            return Self::EarlierTrain;
        }
        match models.iter().all(|model| model.trained_on.is_some()) {
            true => Self::Nothing,
            false => Self::Unknown,
        }
    }

    /// As JSON: whether a model was trained on the set; null if that is not known.
    fn json(self) -> Option<bool> {
        match self {
            Self::Train | Self::EarlierTrain => Some(true),
            Self::Nothing => Some(false),
            Self::Unknown => None,
        }
    }
}

/// The images to judge, and what the models have seen of their set.
struct Choice<'a> {
    split: &'a Split,
    seen: Seen,
}

/// The split that is asked for. Without asking, those to validate on; and of a set without splits of its own the part
/// that is held out, unless the models were trained on other images.
fn choose<'a>(
    data: &'a Dataset,
    source: &Path,
    asked: Option<&str>,
    models: &[Predictor],
) -> Result<Choice<'a>> {
    let seen = Seen::of(models, data, source);
    if let Some(name) = asked {
        let split = data.split(name)?;
        if matches!(seen, Seen::Train | Seen::EarlierTrain) && matches!(name, "all" | "train") {
            note(&format!("--split {name} judges images that the model was trained on"));
        }
        return Ok(Choice { split, seen });
    }
    let (Ok(all), Ok(val)) = (data.split("all"), data.split("val")) else {
        let split = data.val().map_or_else(|| data.train(), Ok)?;
        return Ok(Choice { split, seen });
    };
    let (images, held) = (grouped(all.len()), grouped(val.len()));
    let instead = format!("`--split all` judges all {images}");
    let (split, text) = match seen {
        _ if val.is_empty() => {
            (all, format!("no images are held out for validation: all {images} are judged"))
        }
        Seen::Train => (val, format!("judging the {held} images that were held out of training; {instead}")),
        Seen::EarlierTrain => (
            val,
            format!(
                "the set has changed since the model was trained on it: judging the {held} images that would be held \
                 out now, some of which it may have been trained on; {instead}"
            ),
        ),
        Seen::Unknown => (
            val,
            format!(
                "the model does not say what it was trained on: assuming this set, judging the {held} images that \
                 are held out of training; {instead}"
            ),
        ),
        Seen::Nothing => (
            all,
            format!(
                "the model was trained on other images: judging all {images}; `--split val` judges the {held} that a \
                 training on this set would hold out"
            ),
        ),
    };
    note(&text);
    Ok(Choice { split, seen })
}

fn nothing_judged(data: &Dataset, split: &Split, found: &Evaluation) -> Error {
    let first = found.skipped.first().map_or(String::new(), |s| format!(": {}: {}", s.file, s.reason));
    Error::data(format!(
        "{}: none of the {} images of split `{}` can be judged{first}",
        data.origin,
        split.len(),
        split.name
    ))
    .help("images are JPEG or PNG files, one folder for each class")
}

/// What was judged, how, and what came out.
struct Report<'a> {
    found: &'a Evaluation,
    models: &'a [Predictor],
    data: &'a Dataset,
    split: &'a str,
    seen: Seen,
    views: usize,
    half: bool,
}

impl Report<'_> {
    fn json(&self, seconds: f64) -> Value {
        let models: Vec<String> = self.models.iter().map(|model| model.path.display().to_string()).collect();
        json!({
            "models": models,
            "data": self.data.origin,
            "split": self.split,
            "trained_on_data": self.seen.json(),
            "images": self.found.images,
            "views": self.views,
            "half": self.half,
            "top1": self.found.top1_share(),
            "top5": self.found.top5_share(),
            "top1_correct": self.found.top1,
            "top5_correct": self.found.top5,
            "loss": self.found.loss,
            "skipped": self.found.skipped,
            "seconds": seconds,
        })
    }

    /// What the split is to the models.
    fn which(&self) -> &'static str {
        let is_made = self.data.split("all").is_ok();
        match (self.split, self.seen) {
            ("val", Seen::Train) if is_made => ", held out of training",
            ("all" | "train", Seen::Train | Seen::EarlierTrain) => ", which the model was trained on",
            _ => "",
        }
    }

    fn text(&self) -> String {
        let Evaluation { images, top1, top5, loss, skipped, .. } = self.found;
        let mut out = String::new();
        for model in self.models {
            let _ = writeln!(out, "model     {}", printable(&model.path.display().to_string()));
        }
        let _ = writeln!(
            out,
            "images    {}, split {} of {}{}",
            grouped(*images),
            self.split,
            printable(&self.data.origin),
            self.which()
        );
        let views =
            if self.views == 1 { "1, the center" } else { "10: corners, center, and their mirror images" };
        let _ = writeln!(out, "views     {views}");
        if self.half {
            let _ = writeln!(out, "weights   fully connected layers in half precision");
        }
        for (name, share, count) in
            [("top-1", self.found.top1_share(), top1), ("top-5", self.found.top5_share(), top5)]
        {
            let error = percent(1.0 - share);
            let _ = writeln!(
                out,
                "{name:<8}  {} right, {} images; error {error}",
                percent(share),
                grouped(*count)
            );
        }
        let _ = writeln!(out, "loss      {loss:.4}");
        let _ = writeln!(out, "skipped   {}", grouped(skipped.len()));
        for skip in skipped.iter().take(LISTED) {
            let _ = writeln!(out, "  {}: {}", printable(&skip.file), printable(&skip.reason));
        }
        if skipped.len() > LISTED {
            let _ = writeln!(out, "  and {} more: --json lists them all", grouped(skipped.len() - LISTED));
        }
        out
    }
}
