//! `alexnet classify`: the most probable classes of images.

use std::fmt::Write;
use std::path::{Path, PathBuf};

use serde_json::json;

use super::args::model::ClassifyArgs;
use super::exit::{CommandResult, with_code};
use super::models::names_a_model;
use super::output::{Format, Output, one_line, percent};
use alexnet::error::{Kind, shell, shell_word};
use alexnet::eval::Predictor;
use alexnet::eval::classify::{Classified, Outcome, Prediction, classify, images};
use alexnet::format::{cells, padded};
use alexnet::{Error, Result};

/// Views per batch.
const BATCH: usize = 10;

/// Classes printed per image by default.
const TOP: usize = 5;

/// Columns of the longest bar.
const BAR: usize = 40;

pub(crate) fn run(args: &ClassifyArgs, out: &mut Output) -> CommandResult {
    check_no_address(args)?;
    let options = args.precision.options(BATCH, args.machine.threads());
    let mut model =
        Predictor::load(&args.model, &options).map_err(|error| in_order(error, &args.model, &args.images))?;
    let views = args.views.views.unwrap_or(model.views);
    let top = args.top.map_or(TOP, |top| top as usize);
    if args.top.is_some() && top > model.classes.len() {
        out.note(&format!("--top {top} prints all classes: the model has {}", model.classes.len()));
    }
    let (mut all, mut code) = (Vec::new(), 0);
    for file in images(&args.images, &mut |text| out.note(&text)) {
        let found = classify(&mut model, &file, views, top);
        if let Outcome::Error(message) = &found.outcome {
            code = Kind::Data.exit_code();
            out.error(&Error::data(format!("{}: {message}", found.file)));
        }
        let printed = match out.format() {
            Format::Text if out.is_terminal() => out.text(&bars(&found)),
            Format::Text => out.text(&lines(&found)),
            Format::Json => {
                all.push(found);
                Ok(())
            }
            Format::JsonLines => out.json(&json!(found)),
        };
        if printed.is_err() {
            return with_code(code, printed);
        }
    }
    if out.format() != Format::Json {
        return Ok(code);
    }
    let printed = out.json(&json!({
        "model": model.path.display().to_string(),
        "views": views,
        "half": args.precision.half,
        "images": all,
    }));
    with_code(code, printed)
}

/// Rejects an address on the web, and names the command that reads the image from there.
fn check_no_address(args: &ClassifyArgs) -> Result<()> {
    let is_address =
        |path: &&str| ["http://", "https://", "ftp://"].iter().any(|start| path.starts_with(start));
    match args.images.iter().filter_map(|path| path.to_str()).find(is_address) {
        None => Ok(()),
        Some(address) => {
            Err(Error::usage(format!("{address} is an address, expected an image file")).help(format!(
                "download it: `curl -sL {} | alexnet classify {} -`",
                shell_word(address),
                shell(&args.model)
            )))
        }
    }
}

/// The error of a model that cannot be loaded; if a model follows it, with the command in order.
fn in_order(error: Error, first: &Path, images: &[PathBuf]) -> Error {
    match images.iter().find(|path| names_a_model(path) && first.is_file() && !names_a_model(first)) {
        Some(model) => {
            let command = format!("alexnet classify {} {}", shell(model), shell(first));
            error.help(format!("the model comes first: `{command}`"))
        }
        None => error,
    }
}

/// For a terminal: the file, then one line with a bar per class.
fn bars(found: &Classified) -> String {
    let Outcome::Predictions(predictions) = &found.outcome else { return String::new() };
    let names: Vec<String> = predictions.iter().map(|p| one_line(&p.label)).collect();
    let width = names.iter().map(|name| cells(name)).max().unwrap_or(0);
    let mut out = format!("{}\n", one_line(&found.file));
    for (name, Prediction { probability, .. }) in names.iter().zip(predictions) {
        let _ =
            writeln!(out, "  {}  {:>8}  {}", padded(name, width), percent(*probability), bar(*probability));
    }
    out
}

/// Draws a share as a bar, to an eighth of a column.
fn bar(share: f64) -> String {
    const EIGHTHS: [&str; 8] = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"];
    let eighths = (share.clamp(0.0, 1.0) * (8 * BAR) as f64).round() as usize;
    "█".repeat(eighths / 8) + EIGHTHS[eighths % 8]
}

/// For programs: file, class, and probability separated by tabs, most probable class first.
fn lines(found: &Classified) -> String {
    let Outcome::Predictions(predictions) = &found.outcome else { return String::new() };
    let line =
        |p: &Prediction| format!("{}\t{}\t{:.6}\n", one_line(&found.file), one_line(&p.label), p.probability);
    predictions.iter().map(line).collect()
}
