//! `alexnet classify`: the likeliest classes of images.

use std::fmt::Write;

use serde_json::json;

use super::Ending;
use super::args::ClassifyArgs;
use super::output::{Output, note, percent, printable};
use alexnet::Error;
use alexnet::error::Kind;
use alexnet::eval::Predictor;
use alexnet::eval::classify::{Classified, Outcome, Prediction, classify, images};

/// Views that go through the network at once.
const BATCH: usize = 10;

/// Classes that are named of each image unless told otherwise.
const TOP: usize = 5;

/// Columns of the longest bar.
const BAR: usize = 40;

pub(super) fn run(args: &ClassifyArgs, out: &mut Output) -> Ending {
    let mut model = Predictor::load(&args.model, BATCH, args.machine.threads(), args.precision.half)?;
    let views = args.views.views.unwrap_or(model.views);
    let top = args.top.map_or(TOP, |top| top as usize);
    if args.top.is_some() && top > model.classes.len() {
        note(&format!("--top {top}: the model has {} classes, all are listed", model.classes.len()));
    }
    let (mut all, mut failed) = (Vec::new(), 0);
    for file in images(&args.images, &mut |text| note(&text)) {
        let found = classify(&mut model, &file, views, top);
        if let Outcome::Error(message) = &found.outcome {
            failed += 1;
            super::output::error(&Error::data(format!("{}: {message}", file.display())));
        }
        if args.format.json {
            all.push(found);
        } else {
            let text = if out.is_terminal() { bars(&found) } else { lines(&found) };
            out.text(&text)?;
        }
    }
    if args.format.json {
        out.json(&json!({ "model": model.path.display().to_string(), "views": views, "half": args.precision.half, "images": all }))?;
    }
    Ok(if failed == 0 { 0 } else { Kind::Data.exit_code() })
}

/// For people: the file, then a class a line with a bar.
fn bars(found: &Classified) -> String {
    let Outcome::Predictions(predictions) = &found.outcome else { return String::new() };
    let names: Vec<String> = predictions.iter().map(|p| printable(&p.label)).collect();
    let width = names.iter().map(|name| name.chars().count()).max().unwrap_or(0);
    let mut out = format!("{}\n", printable(&found.file));
    for (name, Prediction { probability, .. }) in names.iter().zip(predictions) {
        let _ = writeln!(out, "  {name:<width$}  {:>8}  {}", percent(*probability), bar(*probability));
    }
    out
}

/// A bar for a share, to an eighth of a column.
fn bar(share: f64) -> String {
    const EIGHTHS: [&str; 8] = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"];
    let eighths = (share.clamp(0.0, 1.0) * (8 * BAR) as f64).round() as usize;
    "█".repeat(eighths / 8) + EIGHTHS[eighths % 8]
}

/// For programs: file, class and probability between tabs, best first.
fn lines(found: &Classified) -> String {
    let Outcome::Predictions(predictions) = &found.outcome else { return String::new() };
    let line = |p: &Prediction| {
        format!("{}\t{}\t{:.6}\n", printable(&found.file), printable(&p.label), p.probability)
    };
    predictions.iter().map(line).collect()
}
