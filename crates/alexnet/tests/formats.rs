//! Image formats: recognized by their first bytes, decoded or rejected by name, repaired without loss.

use crate::images;

use std::io::Cursor;

use alexnet::data::check::check;
use alexnet::data::decode::{DefectKind, Format, decode, inspect, orientation};
use alexnet::data::fix::FixPlan;
use image::codecs::gif::GifEncoder;
use image::{Delay, DynamicImage, Frame, ImageFormat, RgbImage};
use images::{pixels, put};

fn image(salt: usize) -> DynamicImage {
    DynamicImage::ImageRgb8(RgbImage::from_raw(70, 66, pixels(70, 66, salt)).unwrap())
}

fn written(image: &DynamicImage, format: ImageFormat) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    image.write_to(&mut bytes, format).unwrap();
    bytes.into_inner()
}

/// A GIF with several images.
fn animation(images: &[DynamicImage]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut encoder = GifEncoder::new(&mut bytes);
    let delay = Delay::from_numer_denom_ms(100, 1);
    let frames = images.iter().map(|image| Frame::from_parts(image.to_rgba8(), 0, 0, delay));
    encoder.encode_frames(frames).unwrap();
    drop(encoder);
    bytes
}

#[test]
fn every_format_is_recognized_by_sixteen_bytes_and_decoded() {
    let image = image(1);
    for (format, kind, exact) in [
        (Format::Png, ImageFormat::Png, true),
        (Format::Bmp, ImageFormat::Bmp, true),
        (Format::Tiff, ImageFormat::Tiff, true),
        (Format::WebP, ImageFormat::WebP, true),
        (Format::Gif, ImageFormat::Gif, false),
    ] {
        let bytes = written(&image, kind);
        assert_eq!(Format::of(&bytes[..16]), Some(format));
        let (found, traits) = (decode(&bytes).unwrap(), inspect(&bytes).unwrap());
        let rgb = image.to_rgb8();
        let far: u64 = found.pixels.iter().zip(rgb.as_raw()).map(|(a, b)| u64::from(a.abs_diff(*b))).sum();
        let mean = far as f64 / found.pixels.len() as f64;
        assert!(if exact { mean == 0.0 } else { mean < 12.0 }, "{format:?}: {mean}");
        assert_eq!((traits.format, traits.animated, traits.orientation), (format, false, 1));
        // Every shorter file and many damaged ones: no panic.
        for cut in 0..bytes.len().min(600) {
            let _ = (decode(&bytes[..cut]), inspect(&bytes[..cut]), orientation(&bytes[..cut]));
            let mut damaged = bytes.clone();
            damaged[cut] ^= 0x55;
            let _ = (decode(&damaged), inspect(&damaged));
        }
        assert!(decode(&bytes[..bytes.len() / 2]).is_err(), "{format:?}");
    }
}

#[test]
fn transparency_is_dropped_and_its_color_kept() {
    let image = image::RgbaImage::from_pixel(66, 65, image::Rgba([10, 200, 30, 0]));
    for kind in [ImageFormat::Png, ImageFormat::WebP, ImageFormat::Tiff] {
        let found = decode(&written(&DynamicImage::ImageRgba8(image.clone()), kind)).unwrap();
        assert!(found.pixels.chunks(3).all(|pixel| pixel == [10, 200, 30]), "{kind:?}");
    }
}

#[test]
fn huge_images_are_rejected_before_allocation() {
    let side = 60_000u32;
    let mut bmp = written(&image(1), ImageFormat::Bmp);
    bmp[18..22].copy_from_slice(&side.to_le_bytes());
    bmp[22..26].copy_from_slice(&side.to_le_bytes());
    let mut gif = written(&image(1), ImageFormat::Gif);
    gif[6..8].copy_from_slice(&(side as u16).to_le_bytes());
    gif[8..10].copy_from_slice(&(side as u16).to_le_bytes());
    for bytes in [bmp, gif] {
        let defect = decode(&bytes).unwrap_err();
        assert!(defect.message.contains("60000 x 60000 pixels"), "{}", defect.message);
    }
}

#[test]
fn the_first_of_several_images_in_a_file_is_used() {
    let images = [image(1), image(2)];
    let bytes = animation(&images);
    assert!(inspect(&bytes).unwrap().animated);
    assert!(!inspect(&animation(&images[..1])).unwrap().animated);
    let (both, first) = (decode(&bytes).unwrap(), decode(&animation(&images[..1])).unwrap());
    assert_eq!(both, first);

    // Repaired, it is a PNG with the same pixels.
    let dir = tempfile::tempdir().unwrap();
    let (set, out) = (dir.path().join("set"), dir.path().join("out"));
    put(&set, "cat/a.gif", &bytes);
    put(&set, "cat/wrong.jpg", &written(&image(3), ImageFormat::WebP));
    put(&set, "dog/b.webp", &written(&image(4), ImageFormat::WebP));
    let plan = FixPlan::of(&check(&set, 1, &|_, _| ()).unwrap(), &set);
    plan.copy_to(&out, &|_, _| ()).unwrap();
    let names: Vec<String> = images::tree(&out).into_keys().filter(|name| name.contains('/')).collect();
    assert_eq!(names, ["cat/a.png", "cat/wrong.webp", "dog/b.webp"]);
    assert_eq!(decode(&std::fs::read(out.join("cat/a.png")).unwrap()).unwrap(), first);
}

#[test]
fn unsupported_formats_are_named_with_a_conversion() {
    let brand = |brand: &[u8; 4]| [b"\0\0\0\x18ftyp".as_slice(), brand, &[0; 12]].concat();
    for (format, bytes, says) in [
        (Format::Heic, brand(b"heic"), "HEIC images are not supported"),
        (Format::Avif, brand(b"avif"), "AVIF images are not supported"),
        (Format::Raw, brand(b"crx "), "camera raw images are not supported"),
        (Format::Jpeg2000, b"\0\0\0\x0cjP  \r\n\x87\n".to_vec(), "JPEG 2000 images are not supported"),
        (Format::JpegXl, b"\xff\x0a\xfa\x1f\x41\x91".to_vec(), "JPEG XL images are not supported"),
        (Format::Psd, b"8BPS\0\x01\0\0\0\0\0\0".to_vec(), "Photoshop images are not supported"),
        (Format::Svg, b"<?xml version='1.0'?>\n<svg>".to_vec(), "SVG images are not supported"),
    ] {
        assert_eq!(Format::of(&bytes), Some(format));
        let defect = decode(&bytes).unwrap_err();
        assert_eq!(defect.kind, DefectKind::Unsupported);
        assert!(defect.message.starts_with(says), "{}", defect.message);
        assert!(defect.message.contains("for example with `"), "{}", defect.message);
    }
    for bytes in [
        b"".as_slice(),
        b"BM is a text",
        b"<html><body>",
        b"\0\0\0\x18ftypmp42",
        b"%PDF-1.7",
        b"RIFF\0\0\0\0WAVE",
    ] {
        assert_eq!(Format::of(bytes), None, "{}", bytes.escape_ascii());
    }
}

/// Camera raw files start with a thumbnail instead of the photo.
#[test]
fn a_tiff_that_starts_with_a_thumbnail_is_rejected() {
    let mut bytes = written(&image(1), ImageFormat::Tiff);
    let start = u32::from_le_bytes(bytes[4..8].try_into().unwrap()) as usize;
    let entries = usize::from(u16::from_le_bytes([bytes[start], bytes[start + 1]]));
    assert!(decode(&bytes).is_ok());
    // A copy of its directory at the end, with an entry that marks a reduced image.
    let directory = bytes[start + 2..start + 2 + 12 * entries].to_vec();
    let new = bytes.len() as u32;
    bytes.extend((entries as u16 + 1).to_le_bytes());
    bytes.extend([254, 0, 4, 0, 1, 0, 0, 0, 1, 0, 0, 0]);
    bytes.extend(directory);
    bytes.extend([0; 4]);
    bytes[4..8].copy_from_slice(&new.to_le_bytes());
    let defect = decode(&bytes).unwrap_err();
    assert!(defect.message.contains("starts with a thumbnail"), "{}", defect.message);
}
