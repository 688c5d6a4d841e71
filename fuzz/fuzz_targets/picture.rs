//! Picture files: what they say of themselves, and what they decode to.
#![no_main]

use alexnet::data::{decode, square};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let traits = decode::inspect(bytes);
    decode::is_cut_short(bytes);
    if let Ok(picture) = decode::decode(bytes) {
        assert!(traits.is_ok(), "it decodes, but its header cannot be read");
        assert_eq!(picture.pixels.len(), 3 * picture.width * picture.height);
        assert_eq!(square::square(&picture, 32).pixels.len(), 3 * 32 * 32);
    }
});
