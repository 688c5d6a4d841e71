//! Model files: single models, quantized ones and ensembles. Their digests are not compared.
#![no_main]

use alexnet::model::ModelFile;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let _ = ModelFile::from_bytes(bytes, "fuzzed");
});
