//! Recipes, with their networks; what is read can be written and read again.
#![no_main]

use alexnet::net::{Network, Recipe};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let Ok(recipe) = Recipe::parse(text, "fuzz") else { return };
    let _ = Network::new(&recipe, recipe.classes);
    Recipe::parse(&recipe.to_toml(), "written").expect("a recipe that was written is valid");
});
