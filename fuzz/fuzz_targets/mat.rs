//! `meta.mat` of the development kit.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| alexnet::data::source::fuzzing::mat(bytes));
