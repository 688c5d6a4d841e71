//! `alexnet inspect MODEL predictions`.

use std::fmt::Write;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::images::Shown;
use crate::args::inspect::PredictionsArgs;
use crate::exit::{CommandResult, with_code};
use crate::output::{Output, percent, printable};
use alexnet::Result;
use alexnet::data::Dataset;
use alexnet::eval::{Predictor, model_path};
use alexnet::inspect::figures;
use alexnet::inspect::predictions::{PredictedImage, TOP, predict};
use alexnet::net::Views;

/// Views per batch.
const BATCH: usize = 10;

pub(super) fn run(model: &Path, args: &PredictionsArgs, out: &mut Output) -> CommandResult {
    let path = model_path(model)?;
    let (file, choice) = (&args.out.out, &args.choice);
    file.check(choice.files.iter().chain(&choice.data))?;
    let data = choice.data.as_ref().map(|source| Dataset::open(source)).transpose()?;
    let mut model = Predictor::load(&path, &args.precision.options(BATCH, args.machine.threads()))?;
    let shown = match (&data, &choice.data) {
        (Some(data), Some(source)) => {
            data.notes.iter().for_each(|text| out.note(text));
            Shown::of_source(data, source, &choice.sample, &model, out)?
        }
        (None, _) | (_, None) => Shown::of_files(&choice.files, &model, out)?,
    };
    let Shown { images, skipped, origin } = shown;
    let views = args.views.views.unwrap_or(model.views);
    let predicted =
        images.into_iter().map(|image| predict(&mut model, image, views)).collect::<Result<Vec<_>>>()?;
    let title = format!("{}: {}", path.display(), origin.text(predicted.len()));
    file.write(&figures::predictions(&predicted, &model.classes, &title), out)?;
    let report =
        Report { model: path, out: &file.path, classes: &model.classes, predicted: &predicted, views };
    let printed = out.result(
        || report.text(&origin.text(predicted.len())),
        || {
            let mut value = report.json();
            value["source"] = origin.json();
            value["skipped"] = json!(skipped);
            value
        },
    );
    with_code(origin.exit_code(&skipped), printed)
}

struct Report<'a> {
    model: PathBuf,
    out: &'a Path,
    classes: &'a [String],
    predicted: &'a [PredictedImage],
    views: Views,
}

impl Report<'_> {
    fn json(&self) -> Value {
        let image = |image: &PredictedImage| {
            let prediction = |&(class, probability): &(usize, f64)| json!({ "label": self.classes[class], "probability": probability });
            json!({
                "file": image.file,
                "label": image.label.map(|label| &self.classes[label]),
                "predictions": image.top.iter().map(prediction).collect::<Vec<_>>(),
            })
        };
        json!({
            "model": self.model.display().to_string(),
            "out": self.out.display().to_string(),
            "views": self.views,
            "images": self.predicted.iter().map(image).collect::<Vec<_>>(),
        })
    }

    fn text(&self, images: &str) -> String {
        let mut out = format!("model    {}\n", printable(&self.model.display().to_string()));
        let _ = writeln!(out, "images   {}", printable(images));
        for PredictedImage { file, label, top, .. } in self.predicted {
            let best = top.first().map_or(String::new(), |&(class, probability)| {
                format!("{} {}", self.classes[class], percent(probability))
            });
            let label = label.map_or(String::new(), |label| format!(", correct: {}", self.classes[label]));
            let _ = writeln!(out, "  {}", printable(&format!("{file}: {best}{label}")));
        }
        let labeled = self.predicted.iter().filter(|image| image.label.is_some()).count();
        if labeled > 0 {
            let top1 = self.predicted.iter().filter(|image| image.rank() == Some(0)).count();
            let top5 = self.predicted.iter().filter(|image| image.rank().is_some()).count();
            let _ = writeln!(out, "correct  {top1} of {labeled}, among the {TOP} most probable {top5}");
        }
        let _ = writeln!(out, "figure   {}", printable(&self.out.display().to_string()));
        out
    }
}
