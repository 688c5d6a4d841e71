//! IDX files, gzip-compressed or not. The first two bytes are the size of the images file; the labels file follows.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Some((length, rest)) = bytes.split_first_chunk::<2>() else { return };
    let (images, labels) = rest.split_at(usize::from(u16::from_le_bytes(*length)).min(rest.len()));
    alexnet::data::source::fuzzing::idx(images, labels);
});
