//! `alexnet eval`: top-1, top-5 and loss of a model or an ensemble.

use std::fmt::Write;
use std::time::Instant;

use serde_json::{Value, json};

use super::Ending;
use super::args::EvalArgs;
use super::output::{Output, note, percent, printable};
use crate::data::{Dataset, Split};
use crate::eval::{Evaluation, Judge, Predictor, ensemble, model_path, same_classes};
use crate::net::show::grouped;
use crate::train::progress::{Display, Progress};
use crate::{Error, Result};

/// Most skipped pictures that the text lists; the JSON lists all.
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
    let split = choose(&data, args.split.as_deref())?.relabel(&data.classes, &models[0].classes)?;
    let views = args.views.views.unwrap_or(models[0].views);
    let mut judges: Vec<Judge<'_>> = models.iter_mut().map(Predictor::judge).collect();
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

/// The split that is asked for; without asking, all pictures where nothing but class folders is there, else those
/// to validate on.
fn choose<'a>(data: &'a Dataset, asked: Option<&str>) -> Result<&'a Split> {
    if let Some(name) = asked {
        return data.split(name);
    }
    if let Ok(all) = data.split("all") {
        note(
            "no --split: all pictures are judged. If the model was trained on this folder, `--split val` judges the \
             tenth that was held out",
        );
        return Ok(all);
    }
    data.val().map_or_else(|| data.train(), Ok)
}

fn nothing_judged(data: &Dataset, split: &Split, found: &Evaluation) -> Error {
    let first = found.skipped.first().map_or(String::new(), |s| format!(": {}: {}", s.file, s.reason));
    Error::data(format!(
        "{}: none of the {} pictures of split `{}` can be judged{first}",
        data.origin,
        split.len(),
        split.name
    ))
    .help("pictures are JPEG or PNG files, one folder for each class")
}

/// What was judged, how, and what came out.
struct Report<'a> {
    found: &'a Evaluation,
    models: &'a [Predictor],
    data: &'a Dataset,
    split: &'a str,
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

    fn text(&self) -> String {
        let Evaluation { images, top1, top5, loss, skipped, .. } = self.found;
        let mut out = String::new();
        for model in self.models {
            let _ = writeln!(out, "model     {}", printable(&model.path.display().to_string()));
        }
        let _ = writeln!(
            out,
            "pictures  {}, split {} of {}",
            grouped(*images),
            self.split,
            printable(&self.data.origin)
        );
        let views =
            if self.views == 1 { "1, the centre" } else { "10: corners, centre, and their mirror images" };
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
                "{name:<8}  {} right, {} pictures; error {error}",
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
