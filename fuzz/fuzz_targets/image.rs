//! Image files: format detection, headers and decoding.
#![no_main]

use alexnet::data::decode::{self, DefectKind, Format};
use alexnet::data::square;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let traits = decode::inspect(bytes);
    assert!((1..=8).contains(&decode::orientation(bytes)));
    match decode::decode(bytes) {
        Ok(image) => {
            assert!(traits.is_ok(), "it decodes, but its header cannot be read");
            assert_eq!(image.pixels.len(), 3 * image.width * image.height);
            assert_eq!(square::square(&image, 32).pixels.len(), 3 * 32 * 32);
            assert!(Format::of(bytes).is_some_and(Format::is_supported), "it decodes, but is not recognized as an image");
        }
        Err(defect) => assert_eq!(defect.kind == DefectKind::Empty, bytes.is_empty()),
    }
});
