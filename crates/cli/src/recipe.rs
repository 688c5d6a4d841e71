//! `alexnet recipe`: list, show, diff.

use std::path::Path;

use serde_json::json;

use super::args::RecipeCommand;
use super::output::Output;
use super::{Ending, Stop, settings};
use alexnet::error::shell;
use alexnet::net::{Network, Recipe, RecipeUse, diff, show};
use alexnet::train::journal::Journal;
use alexnet::train::origin::Origin;

pub(super) fn run(command: &RecipeCommand, out: &mut Output) -> Ending {
    match command {
        RecipeCommand::List { format } => list(format.json, out)?,
        RecipeCommand::Show { recipe, toml: true, set, .. } => out.text(&toml(recipe, set)?)?,
        RecipeCommand::Show { recipe, classes, set, format, .. } => {
            let recipe = changed(recipe, set)?;
            let network = Network::new(&recipe, classes.map_or(recipe.classes, |n| n as usize))?;
            if format.json {
                out.json(&show::json(&recipe, &network))?;
            } else {
                out.text(&show::text(&recipe, &network))?;
            }
        }
        RecipeCommand::FromJournal { run } => out.text(&from_journal(run)?)?,
        RecipeCommand::Diff { a, b, set } => out.text(&diff(&load(a)?, &changed(b, set)?))?,
    }
    Ok(0)
}

/// The built-in recipes, a line each.
fn list(as_json: bool, out: &mut Output) -> Result<(), Stop> {
    let recipes = Recipe::builtin_names().map(Recipe::load).collect::<alexnet::Result<Vec<Recipe>>>()?;
    if as_json {
        let entries = recipes
            .iter()
            .map(|recipe| json!({ "name": recipe.name, "summary": recipe.summary, "source": recipe.source }));
        return out.json(&json!({ "recipes": entries.collect::<Vec<_>>() }));
    }
    let width = recipes.iter().map(|recipe| recipe.name.len()).max().unwrap_or(0);
    let lines = recipes.iter().map(|recipe| format!("{:<width$}  {}\n", recipe.name, recipe.summary));
    out.text(&lines.collect::<String>())
}

/// The recipe of a run with its journal as edits.
fn from_journal(run: &Path) -> alexnet::Result<String> {
    let origin = Origin::read(run)?;
    let mut recipe = run_recipe(run)?;
    recipe.edits = Journal::edits(&recipe, &Journal::read(run)?);
    let source = origin.source.map_or("SRC".into(), shell);
    let command = format!("alexnet train {source} --recipe FILE --seed {}", origin.seed);
    Ok(format!("# Gives the model of {} again: {command}\n\n{}", run.display(), recipe.to_toml()))
}

/// The recipe that a run folder holds.
pub(super) fn run_recipe(run: &Path) -> alexnet::Result<Recipe> {
    Recipe::read(&run.join("recipe.toml"))
}

/// A built-in recipe, that of a file, or that of a run folder.
fn load(name: &str) -> alexnet::Result<Recipe> {
    let folder = Path::new(name);
    match Recipe::builtin_text(name).is_none() && folder.is_dir() {
        true => run_recipe(folder),
        false => Recipe::load(name),
    }
}

/// The recipe with what `--set` changes.
fn changed(name: &str, set: &[(String, String)]) -> alexnet::Result<Recipe> {
    let mut recipe = load(name)?;
    settings::apply(&mut recipe, set, None, RecipeUse::Display)?;
    Ok(recipe)
}

/// The text of a recipe, comments included where it is a built-in one as it is.
fn toml(name: &str, set: &[(String, String)]) -> alexnet::Result<String> {
    match Recipe::builtin_text(name) {
        Some(text) if set.is_empty() => Ok(text.to_string()),
        _ => Ok(changed(name, set)?.to_toml()),
    }
}
