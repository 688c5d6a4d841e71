//! Weights and mean images of Caffe. The first two bytes are the size of the mean image; the weights follow.
#![no_main]

use alexnet::interop::caffe::{CaffeContents, import};
use alexnet::net::Network;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Some((length, rest)) = bytes.split_first_chunk::<2>() else { return };
    let (mean, weights) = rest.split_at(usize::from(u16::from_le_bytes(*length)).min(rest.len()));
    let mean = (!mean.is_empty()).then_some((mean, "mean"));
    let contents = CaffeContents { net: None, solver: None, weights: (weights, "weights"), mean, classes: None };
    if let Ok(imported) = import(&contents) {
        let network = Network::new(&imported.recipe, imported.classes.len()).expect("an imported network fits");
        let values: usize = imported.parameters.iter().map(|tensor| tensor.data.len()).sum();
        assert_eq!(values, network.parameters());
    }
});
