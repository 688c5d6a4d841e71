//! `alexnet recipe from-cuda-convnet`.

use std::fmt::Write;

use serde_json::{Map, Value, json};

use super::difference;
use crate::args::recipe::FromCudaConvnetArgs;
use crate::exit::CommandResult;
use crate::output::{Output, escaped};
use crate::settings;
use alexnet::interop::cuda_convnet::{Converted, Images, Made, read};
use alexnet::net::RecipeUse;

/// Prints the recipe, and names what has no counterpart on stderr.
pub(super) fn run(args: &FromCudaConvnetArgs, out: &mut Output) -> CommandResult {
    let side = |side: Option<u32>| side.map(|side| side as usize);
    let images = Images { square: side(args.square), crop: side(args.crop) };
    let Converted { mut recipe, layers, gaps } = read(&args.layers, &args.parameters, images)?;
    settings::apply(&mut recipe, &args.set, &[], RecipeUse::Display, out)?;
    for gap in &gaps {
        out.note(&format!("{}. {}", gap.what, gap.why));
    }
    let toml = recipe.to_toml();
    let text = || {
        let mut text = format!("# Converted from {}. Layers and their sections:\n", escaped(&recipe.source));
        for Made { layer, sections } in &layers {
            let _ = writeln!(text, "# {}: {}", layer.name, escaped(&sections.join(", ")));
        }
        text + "\n" + &toml
    };
    let sections: Map<String, Value> =
        layers.iter().map(|made| (made.layer.name.clone(), json!(made.sections))).collect();
    let json = || json!({ "recipe": difference::recipe(&recipe), "toml": toml, "sections": sections, "without_counterpart": gaps });
    out.result(text, json)?;
    Ok(0)
}
