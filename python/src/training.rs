//! A training run.

use std::path::Path;

use pyo3::prelude::*;
use pyo3::types::PyDict;
use serde_json::json;

use alexnet::data::embedded;
use alexnet::engine::check_environment;
use alexnet::model::layout;
use alexnet::train::origin::Origin;
use alexnet::train::{Config, Event, ImageSource, Report, RunFolder, Session};
use alexnet::{Error, Result};

use crate::dataset::Dataset;
use crate::detached::{RunningTraining, interruptible};
use crate::failure::Outcome;
use crate::observer::{Callback, Wanted};
use crate::options::Options;
use crate::recipe::Recipe;
use crate::values::to_python;

/// Trains, and returns the report. `callback` receives events as dictionaries; the training stops if it returns something true.
#[pyfunction]
pub(crate) fn train<'py>(
    py: Python<'py>,
    dataset: Option<&Dataset>,
    recipe: Option<&Recipe>,
    options: Options,
    callback: Py<PyAny>,
    all_events: bool,
) -> Outcome<Bound<'py, PyDict>> {
    let given = dataset.map(|data| (data.dataset.clone(), data.source.clone()));
    let recipe = recipe.map(|recipe| recipe.recipe.clone());
    let mut callback = Callback::new(callback, if all_events { Wanted::All } else { Wanted::Messages });
    // The images of a run that is resumed are opened here.
    let config = interruptible(py, move || config(given, recipe, options))?;
    let _running = RunningTraining::begin();
    let result =
        py.detach(|| Session::new(config).observe(|event: &Event<'_>| callback.observe(event)).run());
    let report: Report = callback.finish(result)?;
    let mut value = report.json();
    value["stop_reason"] = json!(report.stop_reason.name());
    let dict = to_python(py, &value)?.cast_into::<PyDict>().map_err(PyErr::from)?;
    dict.set_item("run", &report.run)?;
    Ok(dict)
}

/// The configuration of a new training, or of one that is resumed: then the images, the recipe and the options are by default those
/// of the run.
fn config(
    given: Option<(alexnet::data::Dataset, ImageSource)>,
    recipe: Option<alexnet::net::Recipe>,
    options: Options,
) -> Result<Config> {
    check_environment()?;
    let origin = options.resume.as_deref().map(Origin::read).transpose()?;
    let saved = |run: &Path| alexnet::net::Recipe::read(&run.join(layout::RECIPE));
    let recipe = match (recipe, &options.resume) {
        (Some(recipe), Some(run)) => match &origin {
            Some(origin) => origin.remedied(recipe, saved(run)?),
            None => recipe,
        },
        (Some(recipe), None) => recipe,
        (None, Some(run)) => saved(run)?,
        (None, None) => return Err(Error::usage("no recipe given").help("recipe=\"small\"")),
    };
    let (dataset, source) = match (given, &origin, &options.resume) {
        (Some(given), _, _) => given,
        (None, Some(origin), Some(run)) => images_of(run, &origin.source)?,
        (None, _, _) => {
            return Err(Error::usage("no images given").help("alexnet.train(\"photos\", recipe=\"small\")"));
        }
    };
    let requests = match &origin {
        Some(origin) => options.requests()?.or(&origin.requests),
        None => options.requests()?,
    };
    let seed = options.seed()?;
    Ok(Config {
        source,
        run: match (options.resume, options.run) {
            (Some(folder), _) => RunFolder::Resume { folder, accept_changes: options.accept_changes },
            (None, Some(folder)) if options.exist_ok => RunFolder::Over(folder),
            (None, folder) => RunFolder::New(folder),
        },
        init: options.init,
        command: options.command,
        seed: seed.or(origin.map(|origin| origin.seed)).unwrap_or(0),
        requests,
        ..Config::new(recipe, dataset)
    })
}

/// The images of a run.
fn images_of(run: &Path, source: &ImageSource) -> Result<(alexnet::data::Dataset, ImageSource)> {
    let dataset = match source {
        ImageSource::BuiltIn => embedded::fashion_mnist()?,
        ImageSource::Path(path) if path.exists() => alexnet::data::Dataset::open(path)?,
        ImageSource::Path(path) => {
            let message = format!("{}: the images of this run do not exist any more", path.display());
            return Err(Error::data(message)
                .help(format!("if they have moved: alexnet.train(\"NEW/PATH\", resume={})", literal(run))));
        }
        ImageSource::Memory => {
            let message = format!(
                "{}: the images of this run were arrays in memory, which its folder does not contain",
                run.display()
            );
            return Err(Error::data(message).help("pass them again: alexnet.train(dataset, resume=RUN)"));
        }
    };
    Ok((dataset, source.clone()))
}

/// A path as a string in Python, which reads all that JSON writes in quotes.
fn literal(path: &Path) -> String {
    json!(path.to_string_lossy()).to_string()
}
