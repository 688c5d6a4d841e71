//! `alexnet recipe from-caffe`.

use serde_json::json;

use super::difference;
use crate::args::recipe::FromCaffeArgs;
use crate::exit::CommandResult;
use crate::output::{Output, escaped};
use crate::settings;
use alexnet::interop::caffe::{CaffeImages, CaffeRecipe, read_recipe};
use alexnet::net::RecipeUse;

/// Prints the recipe, and names what has no counterpart on stderr.
pub(super) fn run(args: &FromCaffeArgs, out: &mut Output) -> CommandResult {
    let side = |side: Option<u32>| side.map(|side| side as usize);
    let images = CaffeImages { square: side(args.square), count: side(args.images) };
    let CaffeRecipe { mut recipe, gaps } = read_recipe(&args.net, args.solver.as_deref(), images)?;
    settings::apply(&mut recipe, &args.set, &[], RecipeUse::Display, out)?;
    for gap in &gaps {
        out.note(&format!("{}. {}", gap.what, gap.why));
    }
    let toml = recipe.to_toml();
    let text = || format!("# Converted from {}\n\n{toml}", escaped(&recipe.source));
    let json = || json!({ "recipe": difference::recipe(&recipe), "toml": toml, "without_counterpart": gaps });
    out.result(text, json)?;
    Ok(0)
}
