//! `alexnet recipe`: list, show, diff, from-journal, from-caffe, from-cuda-convnet.

mod caffe;
mod cuda_convnet;
mod difference;

use std::path::Path;

use serde_json::json;

use crate::args::recipe::{DiffArgs, FromJournalArgs, RecipeCommand, ShowArgs};
use crate::exit::CommandResult;
use crate::output::{Output, escaped};
use crate::settings;
use crate::train::command_again;
use alexnet::model::layout;
use alexnet::net::{Network, Recipe, RecipeUse, diff, show};
use alexnet::train::journal::Journal;
use alexnet::train::origin::Origin;

pub(crate) fn run(command: &RecipeCommand, out: &mut Output) -> CommandResult {
    match command {
        RecipeCommand::List => list(out),
        RecipeCommand::Show(args) => show_one(args, out),
        RecipeCommand::Diff(args) => compare(args, out),
        RecipeCommand::FromJournal(args) => from_journal(args, out),
        RecipeCommand::FromCaffe(args) => caffe::run(args, out),
        RecipeCommand::FromCudaConvnet(args) => cuda_convnet::run(args, out),
    }
}

/// Prints the built-in recipes, one per line.
fn list(out: &mut Output) -> CommandResult {
    let recipes = Recipe::builtin_names().map(Recipe::load).collect::<alexnet::Result<Vec<Recipe>>>()?;
    let text = || {
        let width = recipes.iter().map(|recipe| recipe.name.len()).max().unwrap_or(0);
        let lines = recipes.iter().map(|recipe| format!("{:<width$}  {}\n", recipe.name, recipe.summary));
        lines.collect()
    };
    let json = || {
        let entries = recipes
            .iter()
            .map(|recipe| json!({ "name": recipe.name, "summary": recipe.summary, "source": recipe.source }));
        json!({ "recipes": entries.collect::<Vec<_>>() })
    };
    out.result(text, json)?;
    Ok(0)
}

fn show_one(args: &ShowArgs, out: &mut Output) -> CommandResult {
    if args.toml {
        out.text(&toml(&args.recipe, &args.set, out)?)?;
        return Ok(0);
    }
    let recipe = changed(&args.recipe, &args.set, out)?;
    let network = Network::new(&recipe, args.classes.map_or(recipe.classes, |n| n as usize))?;
    out.result(|| show::text(&recipe, &network), || show::json(&recipe, &network))?;
    Ok(0)
}

fn compare(args: &DiffArgs, out: &mut Output) -> CommandResult {
    let (a, b) = (load(&args.a)?, changed(&args.b, &args.set, out)?);
    out.result(|| diff(&a, &b), || difference::json(&a, &b))?;
    Ok(0)
}

/// Prints the recipe of a run, with the edits of its journal.
fn from_journal(args: &FromJournalArgs, out: &mut Output) -> CommandResult {
    let run = &args.run;
    let origin = Origin::read(run)?;
    let mut recipe = run_recipe(run)?;
    recipe.edits = Journal::edits(&recipe, &Journal::read(run)?);
    let command = command_again(&origin);
    let toml = recipe.to_toml();
    out.result(
        || {
            format!(
                "# Trains the model of {} again: {command}\n\n{toml}",
                escaped(&run.display().to_string())
            )
        },
        || json!({ "recipe": difference::recipe(&recipe), "toml": toml, "seed": origin.seed, "command": command }),
    )?;
    Ok(0)
}

/// Reads the recipe of a run folder.
pub(crate) fn run_recipe(run: &Path) -> alexnet::Result<Recipe> {
    Recipe::read(&run.join(layout::RECIPE))
}

/// Loads a built-in recipe, a TOML file, or the recipe of a run folder.
pub(crate) fn load(name: &str) -> alexnet::Result<Recipe> {
    let folder = Path::new(name);
    match Recipe::builtin_text(name).is_none() && folder.is_dir() {
        true => run_recipe(folder),
        false => Recipe::load(name),
    }
}

/// Loads a recipe and applies `--set`.
fn changed(name: &str, set: &[(String, String)], out: &Output) -> alexnet::Result<Recipe> {
    let mut recipe = load(name)?;
    settings::apply(&mut recipe, set, &[], RecipeUse::Display, out)?;
    Ok(recipe)
}

/// The text of a recipe: of an unchanged built-in one with its comments.
fn toml(name: &str, set: &[(String, String)], out: &Output) -> alexnet::Result<String> {
    match Recipe::builtin_text(name) {
        Some(text) if set.is_empty() => Ok(text.to_string()),
        _ => Ok(changed(name, set, out)?.to_toml()),
    }
}
