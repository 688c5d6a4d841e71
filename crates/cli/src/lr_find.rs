//! `alexnet lr-find`.

use serde_json::{Value, json};

use super::args::training::LrFindArgs;
use super::command_line::command_with;
use super::exit::CommandResult;
use super::output::Output;
use super::recipe;
use super::settings;
use super::sources;
use super::ui::TrainingView;
use alexnet::error::{shell, shell_word};
use alexnet::format::counted;
use alexnet::net::{Change, Edit, Recipe, RecipeUse};
use alexnet::train::lr_search::{LrSearch, LrSearchOptions, Trial, find};
use alexnet::train::signals::Interrupt;

/// Most rows of the text; the JSON has every step.
const ROWS: usize = 24;

/// Columns of the longest bar.
const BAR: f64 = 40.0;

pub(crate) fn run(args: &LrFindArgs, out: &mut Output) -> CommandResult {
    let mut recipe = recipe::load(&args.recipe)?;
    settings::apply(&mut recipe, &args.set, &[], RecipeUse::LrFind, out)?;
    if !recipe.edits.is_empty() {
        let edits = counted(recipe.edits.len(), "[[edit]] table");
        out.note(&format!("lr-find ignores the {edits} of the recipe"));
    }
    let threads = args.machine.threads();
    let options = LrSearchOptions {
        from: args.from,
        to: args.to,
        steps: args.steps as usize,
        seed: args.seed,
        threads,
        workers: threads,
    };
    let mut view = TrainingView::new(out.display(), Interrupt::new());
    let found = find(&recipe, &sources::open(&args.source)?, &options, &mut view)?;
    drop(view);
    if let Some(path) = &args.plot {
        found.draw(path)?;
    }
    out.result(|| table(&found) + &conclusion(&found, args, &recipe), || json(&found))?;
    Ok(0)
}

fn json(found: &LrSearch) -> Value {
    let tries = found
        .trials
        .iter()
        .map(|tried| json!({ "lr": tried.lr, "loss": tried.loss, "smooth": tried.smooth }));
    json!({ "tries": tries.collect::<Vec<_>>(), "lr": found.suggestion, "explodes": found.explodes })
}

/// Some of the learning rates with the loss as a bar. The row nearest to the suggestion is marked.
fn table(found: &LrSearch) -> String {
    let losses = || found.trials.iter().map(|tried| tried.smooth);
    // From the lowest loss to a little above the first: an explosion would make all others look the same.
    let least = losses().fold(f64::INFINITY, f64::min);
    let most = losses().next().map_or(1.0, |first| first + 0.2 * (first - least).max(0.01));
    let every = found.trials.len().div_ceil(ROWS).max(1);
    let rows: Vec<_> = found.trials.iter().step_by(every).collect();
    let distance = |rate: f32, to: f32| (rate / to).ln().abs();
    let suggested = found.suggestion.and_then(|suggestion| {
        let nearer = |&a: &usize, &b: &usize| {
            distance(rows[a].lr, suggestion).total_cmp(&distance(rows[b].lr, suggestion))
        };
        (0..rows.len()).min_by(nearer)
    });
    let row = |(i, tried): (usize, &&Trial)| {
        let share = ((tried.smooth - least) / (most - least)).clamp(0.0, 1.0);
        let bar = "#".repeat(1 + (BAR * share).round() as usize);
        let mark = if suggested == Some(i) { "  <- suggested" } else { "" };
        format!("{:>9.1e}  {:>8.4}  {bar}{mark}\n", tried.lr, tried.smooth)
    };
    format!("{:>9}  {:>8}\n", "lr", "loss") + &rows.iter().enumerate().map(row).collect::<String>()
}

/// Most steps of a search, as `--steps` accepts them.
const MOST_STEPS: usize = 100_000;

/// What to try if none of these steps has lowered the loss by more than noise.
fn no_suggestion(trials: usize, steps: usize) -> String {
    let more = (10 * steps).min(MOST_STEPS);
    let more = match more > steps {
        true => format!("more steps: `{}`\nor ", command_with("--steps", &more.to_string())),
        false => String::new(),
    };
    format!(
        "\nno learning rate lowered the loss clearly within {}: no suggestion\ntry {more}\
         other initial weights: `--set layer.NAME.weights.init=he`\n",
        counted(trials, "step")
    )
}

/// What follows from the table.
fn conclusion(found: &LrSearch, args: &LrFindArgs, recipe: &Recipe) -> String {
    let mut text = String::new();
    if let Some(rate) = found.explodes {
        text += &format!("\nthe loss explodes at a learning rate of {rate:.1e}\n");
    }
    let Some(rate) = found.suggestion else {
        return text + &no_suggestion(found.trials.len(), args.steps as usize);
    };
    text + &format!("\nsuggested learning rate: {rate:.1e}\nuse it  {}\n", how_to_use(rate, args, recipe))
}

/// The command that trains with a learning rate, or, if an edit of the recipe replaces the one that it would set, what to edit.
fn how_to_use(rate: f32, args: &LrFindArgs, recipe: &Recipe) -> String {
    let (source, file) = (shell(&args.source), shell(&args.recipe));
    let is_replaced = |edit: &Edit| edit.step == 0 && matches!(edit.change, Change::Rate(_));
    if recipe.edits.iter().any(is_replaced) {
        return format!(
            "set `rate = {rate:.1e}` in the [[edit]] table of {file} at step 0, which replaces `optimizer.rate`"
        );
    }
    let set = args.set.iter().map(|(key, value)| format!(" --set {}", shell_word(format!("{key}={value}"))));
    format!(
        "alexnet train {source} --recipe {file}{} --set optimizer.rate={:.1e}",
        set.collect::<String>(),
        recipe.optimizer.unscaled_rate(rate),
    )
}
