//! `alexnet import`: a network of another program as a model.

mod report;
mod squares;

use std::ffi::OsString;
use std::time::Instant;

use super::args::interop::ImportArgs;
use super::exit::CommandResult;
use super::models::check_new;
use super::output::Output;
use super::recipe;
use super::settings;
use alexnet::error::shell;
use alexnet::interop::{
    Format, Import, ImportOptions, PeerDifference, PeerOutcome, PeerScript, classes, import,
};
use alexnet::model::Model;
use alexnet::net::{Recipe, RecipeUse};
use alexnet::{Error, Result};
use report::Report;
use squares::Squares;

/// The largest relative difference of the logits between two programs that sum in different orders. A network that computes
/// something else differs by far more.
const TOLERANCE: f64 = 1e-3;

/// What to do about other logits of files that describe their network.
const REPORT: &str =
    "this program reads the network as another one, which is a bug: the file is worth a report";

pub(crate) fn run(args: &ImportArgs, out: &mut Output) -> CommandResult {
    let begin = Instant::now();
    check_new(&args.out)?;
    let options = ImportOptions {
        recipe: recipe(args, out)?,
        classes: args.classes.as_deref().map(classes::read).transpose()?,
        input: args.input.graph_input(),
    };
    let Import { format, imported, source, peer } = import(&args.files, &options)?;
    let mut notes = imported.notes.clone();
    let squares = Squares::choose(&args.verify, &imported.preprocess, &mut notes)?;
    notes.iter().for_each(|text| out.note(text));
    let origin = squares.origin;
    let model = imported.into_model(squares.images, source)?;
    let outcome = compare(peer.as_ref(), &model)?;
    check(&outcome, format, args)?;
    model.save(&args.out)?;
    let seconds = begin.elapsed().as_secs_f64();
    let report = Report { args, format, model: &model, origin, outcome: &outcome, notes: &notes, seconds };
    out.result(|| report.text(), || report.json())?;
    Ok(0)
}

/// The recipe that was named, with `--set`.
fn recipe(args: &ImportArgs, out: &Output) -> Result<Option<Recipe>> {
    let Some(name) = &args.recipe else { return Ok(None) };
    let mut recipe = recipe::load(name)?;
    settings::apply(&mut recipe, &args.set, &[], RecipeUse::Display, out)?;
    Ok(Some(recipe))
}

/// The interpreter that compares logits, if any.
fn python() -> Option<OsString> {
    match std::env::var_os("ALEXNET_PYTHON") {
        None => Some("python3".into()),
        Some(named) => (!named.is_empty()).then_some(named),
    }
}

/// Compares the logits of the golden samples with those of the program that uses the files.
fn compare(peer: Option<&PeerScript>, model: &Model) -> Result<PeerOutcome> {
    let not_compared = |reason: &str, help: &str| {
        Ok(PeerOutcome::NotCompared { reason: reason.to_owned(), help: help.to_owned() })
    };
    match (peer, python()) {
        (Some(peer), Some(python)) => peer.compare(model, &python),
        (Some(_), None) => not_compared(
            "ALEXNET_PYTHON is empty",
            "`unset ALEXNET_PYTHON`, or name an interpreter that has the program which wrote the files",
        ),
        (None, _) => not_compared(
            "no script computes the same logits from these files",
            "compare some of its predictions with those of `alexnet classify`",
        ),
    }
}

/// Fails if the logits differ from those of the program that wrote the files.
fn check(outcome: &PeerOutcome, format: Format, args: &ImportArgs) -> Result<()> {
    match outcome {
        PeerOutcome::Compared(PeerDifference { program, relative_rms, .. })
            if relative_rms.is_nan() || *relative_rms >= TOLERANCE =>
        {
            let help = match format {
                Format::Torch => format!(
                    "the network is another one: `alexnet recipe list` lists those that `alexnet import {} OUT --recipe NAME` knows",
                    shell(&args.files[0])
                ),
                Format::Onnx | Format::Caffe => REPORT.to_owned(),
            };
            Err(Error::model(format!(
                "{}: the logits differ from those of {program}: relative RMS {relative_rms:.1e}, expected below {TOLERANCE:.0e}",
                args.files[0].display()
            ))
            .help(help))
        }
        PeerOutcome::Compared(_) | PeerOutcome::NotCompared { .. } => Ok(()),
    }
}
