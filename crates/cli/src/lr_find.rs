//! `alexnet lr-find`.

use serde_json::json;

use super::args::training::LrFindArgs;
use super::exit::CommandResult;
use super::output::Output;
use super::settings;
use super::ui::TrainingView;
use alexnet::data::Dataset;
use alexnet::error::shell;
use alexnet::net::{Purpose, Recipe};
use alexnet::train::lr_search::{LrSearch, Options, find};
use alexnet::train::signals::Interrupt;

pub(crate) fn run(args: &LrFindArgs, out: &mut Output) -> CommandResult {
    let mut recipe = Recipe::load(&args.recipe)?;
    settings::apply(&mut recipe, &args.set, None, Purpose::RateSearch, out)?;
    if !recipe.edits.is_empty() {
        out.note(&format!(
            "the {} [[edit]] tables of the recipe are ignored: lr-find makes no changes",
            recipe.edits.len()
        ));
    }
    let threads = args.machine.threads();
    let options = Options {
        from: args.from,
        to: args.to,
        steps: args.steps as usize,
        seed: args.seed,
        threads,
        workers: threads,
    };
    let mut view = TrainingView::new(out.display(), Interrupt::new());
    let found = find(&recipe, &Dataset::open(&args.source)?, &options, &mut view)?;
    drop(view);
    if let Some(path) = &args.plot {
        found.draw(path)?;
    }
    if out.is_json() {
        let tries = found
            .trials
            .iter()
            .map(|tried| json!({ "lr": tried.lr, "loss": tried.loss, "smooth": tried.smooth }));
        out.json(&json!({
            "tries": tries.collect::<Vec<_>>(),
            "lr": found.suggestion,
            "explodes": found.explodes,
        }))?;
    } else {
        out.text(&text(&found, &args.recipe))?;
    }
    Ok(0)
}

/// Some twenty of the rates, with the loss as a bar, and what follows.
fn text(found: &LrSearch, recipe: &str) -> String {
    const ROWS: usize = 24;
    const BAR: f64 = 40.0;
    let losses = || found.trials.iter().map(|tried| tried.smooth);
    // From the lowest to a little above the first: an explosion would make all others look the same.
    let least = losses().fold(f64::INFINITY, f64::min);
    let most = losses().next().map_or(1.0, |first| first + 0.2 * (first - least).max(0.01));
    let every = found.trials.len().div_ceil(ROWS).max(1);
    let rows = found.trials.iter().step_by(every).map(|tried| {
        let share = ((tried.smooth - least) / (most - least)).clamp(0.0, 1.0);
        let bar = "#".repeat(1 + (BAR * share).round() as usize);
        format!("{:>9.1e}  {:>8.4}  {bar}\n", tried.lr, tried.smooth)
    });
    let mut text = format!("{:>9}  {:>8}\n", "rate", "loss") + &rows.collect::<String>();
    if let Some(rate) = found.explodes {
        text += &format!("\nthe loss explodes at a rate of {rate:.1e}\n");
    }
    text += &match found.suggestion {
        Some(rate) => format!(
            "a good one to begin with is {rate:.1e}: alexnet train SRC --recipe {} --set optimizer.rate={rate:.1e}\n",
            shell(recipe)
        ),
        None => "it falls nowhere: more steps, or other initial weights (`alexnet recipe show` has them)\n"
            .to_owned(),
    };
    text
}
