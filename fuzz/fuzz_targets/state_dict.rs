//! State dicts in safetensors files, with and without metadata of an export.
#![no_main]

use std::sync::LazyLock;

use alexnet::interop::torch::read;
use alexnet::interop::{ImportOptions, SourceFile, SourceKind};
use alexnet::net::Recipe;
use libfuzzer_sys::fuzz_target;

/// The network of the state dicts.
static RECIPE: LazyLock<Recipe> = LazyLock::new(|| {
    let text = include_str!("../../crates/alexnet/tests/support/every-layer.toml");
    Recipe::parse(text, "every-layer.toml").expect("the recipe of the tests is valid")
});

fuzz_target!(|bytes: &[u8]| {
    let file = SourceFile { path: "fuzz".into(), bytes: bytes.to_vec(), kind: SourceKind::Safetensors };
    for recipe in [Some(RECIPE.clone()), None] {
        let _ = read(&file, &ImportOptions { recipe, ..ImportOptions::default() });
    }
});
