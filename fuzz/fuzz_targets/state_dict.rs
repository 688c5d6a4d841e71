//! State dicts in safetensors files, with and without metadata of an export.
#![no_main]

use alexnet::interop::torch::read;
use alexnet::interop::{ImportOptions, SourceFile, SourceKind};
use alexnet::net::Recipe;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let recipe = Recipe::parse(include_str!("../../crates/alexnet/tests/support/every-layer.toml"), "fuzz");
    let file = SourceFile { path: "fuzz".into(), bytes: bytes.to_vec(), kind: SourceKind::Safetensors };
    for recipe in [recipe.ok(), None] {
        let _ = read(&file, &ImportOptions { recipe, ..ImportOptions::default() });
    }
});
