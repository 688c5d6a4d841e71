//! State dicts as `torch.save` writes them, in both formats, for a network with every kind of layer.
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
    let kind = if bytes.starts_with(b"PK") { SourceKind::TorchZip } else { SourceKind::TorchPickle };
    let options = ImportOptions { recipe: Some(RECIPE.clone()), ..ImportOptions::default() };
    let _ = read(&SourceFile { path: "fuzz.pth".into(), bytes: bytes.to_vec(), kind }, &options);
});
