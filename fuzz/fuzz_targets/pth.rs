//! State dicts as `torch.save` writes them, in both formats, for a network with every kind of layer.
#![no_main]

use alexnet::interop::torch::read;
use alexnet::interop::{ImportOptions, SourceFile, SourceKind};
use alexnet::net::Recipe;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let kind = if bytes.starts_with(b"PK") { SourceKind::TorchZip } else { SourceKind::TorchPickle };
    let recipe = Recipe::parse(include_str!("../../crates/alexnet/tests/support/every-layer.toml"), "fuzz");
    let options = ImportOptions { recipe: recipe.ok(), ..ImportOptions::default() };
    let _ = read(&SourceFile { path: "fuzz.pth".into(), bytes: bytes.to_vec(), kind }, &options);
});
