//! `alexnet reproduce`.

mod plan;
mod progress;

use std::path::PathBuf;

use super::args::reproduce::{ReproduceArgs, Selected};
use super::command_line::command_line;
use super::exit::CommandResult;
use super::output::Output;
use super::recipe;
use super::settings::{self, Shorthand};
use alexnet::data::Dataset;
use alexnet::data::check::{introduce, several_classes};
use alexnet::net::RecipeUse;
use alexnet::reproduce::{Experiment, RateSearch, ReproductionSettings, Selection, forecast, reproduce};
use alexnet::train::signals::Interrupt;
use alexnet::{Error, Result};
use progress::ReproduceView;

/// The recipe of the paper's Fig. 1.
const SPEED_RECIPE: &str = "four-layer-relu";

/// A recipe with every ingredient.
const RECIPE: &str = "cifar-paper";

pub(crate) fn run(args: &ReproduceArgs, out: &mut Output) -> CommandResult {
    let settings = settings(args, out)?;
    if args.plan {
        out.note("timing a few training steps of each arm");
        let plan = forecast(&settings)?;
        out.result(|| format!("{plan}\n"), || plan::json(&plan))?;
        return Ok(0);
    }
    let mut view = ReproduceView::new(out.display());
    let results = reproduce(&settings, &mut view);
    drop(view);
    let results = results?;
    let folder = settings.folder.display().to_string();
    out.result(
        || format!("{}\nresults  {folder}: results.json, table.md, plots/\n", results.table()),
        || {
            let mut value = serde_json::to_value(&results).expect("numbers and names are JSON");
            value["folder"] = folder.clone().into();
            value
        },
    )?;
    Ok(0)
}

/// Checks the arguments. The recipe comes first: a mistake in it shows at once, while listing a large source takes time.
fn settings(args: &ReproduceArgs, out: &Output) -> Result<ReproductionSettings> {
    let selection = selection(&args.experiments)?;
    let is_speed = selection == Selection::Experiments(vec![Experiment::Relu]);
    let default = if is_speed { SPEED_RECIPE } else { RECIPE };
    let mut recipe = recipe::load(args.recipe.as_deref().unwrap_or(default))?;
    let epochs = args.epochs.map(|epochs| epochs.to_string());
    let shorthands = epochs.map(|value| Shorthand { option: "--epochs", key: "schedule.epochs", value });
    settings::apply(&mut recipe, &args.set, shorthands.as_slice(), RecipeUse::Training, out)?;
    let rates = rates(args, &selection)?;
    let dataset = Dataset::open(&args.source)?;
    introduce(&dataset)?.iter().for_each(|text| out.note(text));
    several_classes(&dataset)?;
    let threads = args.machine.threads();
    let folder = args.out.clone().unwrap_or_else(|| PathBuf::from("reproduce").join(recipe.file_name()));
    Ok(ReproductionSettings {
        source: Some(args.source.clone()),
        seeds: args.seeds as usize,
        rates,
        threads,
        workers: args.workers.map_or(threads, usize::from),
        command: command_line(),
        interrupt: Interrupt::on_signals(),
        ..ReproductionSettings::new(selection, recipe, dataset, folder)
    })
}

fn selection(selected: &[Selected]) -> Result<Selection> {
    let one = |selected: &Selected| match selected {
        Selected::One(experiment) => Some(*experiment),
        Selected::All => None,
    };
    match selected.iter().map(one).collect::<Option<Vec<Experiment>>>() {
        Some(experiments) => Ok(Selection::Experiments(experiments)),
        None if selected.len() == 1 => Ok(Selection::All),
        None => Err(Error::usage("`all` includes every other experiment but `relu`")
            .help("name `all` alone, and `relu` in a command of its own")),
    }
}

/// How learning rates are chosen.
///
/// # Errors
/// Returns an error if the options have no effect.
fn rates(args: &ReproduceArgs, selection: &Selection) -> Result<RateSearch> {
    let options = [
        ("--rates", !args.rates.is_empty()),
        ("--rate-epochs", args.rate_epochs.is_some()),
        ("--rate-error", args.rate_error.is_some()),
    ];
    let given = options.iter().find(|(_, is_given)| *is_given);
    let has_effect = match selection {
        Selection::Experiments(experiments) => experiments.contains(&Experiment::Relu),
        Selection::All => false,
    };
    if let (Some((option, _)), false) = (given, has_effect) {
        return Err(Error::usage(format!("`{option}` has no effect without experiment `relu`")).help(
            "leave the option out; `--set optimizer.rate=0.001` changes the learning rate of all arms",
        ));
    }
    if let Some(twice) = (1..args.rates.len()).find(|&i| args.rates[..i].contains(&args.rates[i])) {
        return Err(Error::usage(format!("--rates: {} is named twice", args.rates[twice]))
            .help("name each learning rate once"));
    }
    let default = RateSearch::default();
    Ok(RateSearch {
        rates: if args.rates.is_empty() { default.rates } else { args.rates.clone() },
        epochs: args.rate_epochs.map_or(default.epochs, |epochs| epochs as usize),
        error: args.rate_error.unwrap_or(default.error),
    })
}
