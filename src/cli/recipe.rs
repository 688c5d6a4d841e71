//! `alexnet recipe`: list, show, diff.

use std::path::Path;

use serde_json::json;

use super::args::RecipeCommand;
use super::output::Output;
use super::{Ending, Stop};
use crate::error::shell;
use crate::net::{Network, Recipe, diff, show};
use crate::train::journal::Journal;
use crate::train::origin::Origin;

pub(super) fn run(command: &RecipeCommand, out: &mut Output) -> Ending {
    match command {
        RecipeCommand::List { format } => list(format.json, out)?,
        RecipeCommand::Show { recipe, toml: true, .. } => out.text(&toml(recipe)?)?,
        RecipeCommand::Show { recipe, classes, format, .. } => {
            let recipe = Recipe::load(recipe)?;
            let network = Network::new(&recipe, classes.map_or(recipe.classes, |n| n as usize))?;
            if format.json {
                out.json(&show::json(&recipe, &network))?;
            } else {
                out.text(&show::text(&recipe, &network))?;
            }
        }
        RecipeCommand::FromJournal { run } => out.text(&from_journal(run)?)?,
        RecipeCommand::Diff { a, b } => out.text(&diff(&Recipe::load(a)?, &Recipe::load(b)?))?,
    }
    Ok(0)
}

/// The built-in recipes, a line each.
fn list(as_json: bool, out: &mut Output) -> Result<(), Stop> {
    let recipes = Recipe::builtin_names().map(Recipe::load).collect::<crate::Result<Vec<Recipe>>>()?;
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
fn from_journal(run: &Path) -> crate::Result<String> {
    let origin = Origin::read(run)?;
    let mut recipe = run_recipe(run)?;
    recipe.edits = Journal::edits(&recipe, &Journal::read(run)?);
    let source = origin.source.map_or("SRC".into(), shell);
    let command = format!("alexnet train {source} --recipe FILE --seed {}", origin.seed);
    Ok(format!("# Gives the model of {} again: {command}\n\n{}", run.display(), recipe.to_toml()))
}

/// The recipe that a run folder holds.
pub(super) fn run_recipe(run: &Path) -> crate::Result<Recipe> {
    Recipe::load(&run.join("recipe.toml").display().to_string())
}

/// The text of a recipe, comments included where it is a built-in one.
fn toml(name: &str) -> crate::Result<String> {
    match Recipe::builtin_text(name) {
        Some(text) => Ok(text.to_string()),
        None => Ok(Recipe::load(name)?.to_toml()),
    }
}
