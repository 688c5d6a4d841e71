//! Network and solver definitions of Caffe. The first two bytes are the size of the network's; the solver's follows.
#![no_main]

use alexnet::interop::caffe::{CaffeImages, convert};
use alexnet::net::Recipe;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Some((length, rest)) = bytes.split_first_chunk::<2>() else { return };
    let (net, solver) = rest.split_at(usize::from(u16::from_le_bytes(*length)).min(rest.len()));
    let (Ok(net), Ok(solver)) = (str::from_utf8(net), str::from_utf8(solver)) else { return };
    let solver = (!solver.is_empty()).then_some((solver, "solver"));
    if let Ok(converted) = convert((net, "net"), solver, CaffeImages::default()) {
        let recipe = converted.recipe;
        assert_eq!(Recipe::parse(&recipe.to_toml(), "back").expect("a converted recipe is valid"), recipe);
    }
});
