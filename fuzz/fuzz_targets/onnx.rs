//! ONNX files, without files of arrays next to them.
#![no_main]

use alexnet::interop::onnx::{OnnxImport, parse};
use alexnet::net::Network;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(imported) = parse(bytes, "fuzz", None, &OnnxImport::default()) {
        let network = Network::new(&imported.recipe, imported.classes.len()).expect("an imported network fits");
        let values: usize = imported.parameters.iter().map(|tensor| tensor.data.len()).sum();
        assert_eq!(values, network.parameters());
    }
});
