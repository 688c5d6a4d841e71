//! Networks of cuda-convnet. The first two bytes are the size of the file of layers; that of parameters follows.
#![no_main]

use alexnet::interop::cuda_convnet::{Images, convert};
use alexnet::net::Recipe;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Some((length, rest)) = bytes.split_first_chunk::<2>() else { return };
    let (layers, parameters) = rest.split_at(usize::from(u16::from_le_bytes(*length)).min(rest.len()));
    let (Ok(layers), Ok(parameters)) = (str::from_utf8(layers), str::from_utf8(parameters)) else { return };
    if let Ok(converted) = convert((layers, "layers"), (parameters, "parameters"), Images::default()) {
        let recipe = converted.recipe;
        assert_eq!(Recipe::parse(&recipe.to_toml(), "back").expect("a converted recipe is valid"), recipe);
    }
});
