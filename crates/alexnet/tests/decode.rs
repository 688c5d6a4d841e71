//! Images of every encoding that is decoded, and those that are refused.

use std::path::Path;

use alexnet::data::Image;
use alexnet::data::decode::{decode, inspect};
use alexnet::data::square::square;
use jpeg_encoder::{ColorType, Encoder};
use proptest::prelude::*;

use crate::images::{encode, jpeg};

#[test]
fn undecodable_images_report_the_reason() {
    let whole = jpeg(40, 30, 1);
    let says = |bytes: &[u8], what: &str| {
        let message = decode(bytes).expect_err("decoding must fail").message;
        assert!(message.contains(what), "{message} does not say {what}");
    };
    says(b"", "empty");
    says(b"Hello, this is no image", "starts with `Hello, t`");
    says(&whole[..whole.len() / 2], "truncated JPEG");
    says(&whole[..3], "truncated JPEG");
    says(&whole[..whole.len() - 8], "truncated JPEG");
    // The end marker alone is not part of the image.
    assert_eq!(decode(&whole[..whole.len() - 2]).unwrap(), decode(&whole).unwrap());
    says(&encode(&image::DynamicImage::new_rgb8(9, 9))[..50], "broken PNG");

    // A gzip file in a gzip file, a broken one, and a valid one.
    let gzip = |bytes: &[u8]| {
        let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        std::io::Write::write_all(&mut packed, bytes).unwrap();
        packed.finish().unwrap()
    };
    says(&gzip(b""), "empty gzip file");
    says(&gzip(&gzip(&whole)), "gzip file inside a gzip file");
    assert!(inspect(&gzip(&gzip(&whole))).is_err());
    says(&gzip(&whole)[..40], "broken gzip file");
    says(&gzip(&vec![0; 65 << 20]), "gzip file decompresses to more than");
    assert_eq!(decode(&gzip(&whole)).unwrap(), decode(&whole).unwrap());

    // Palettes with an extra byte, and with more than 256 colors.
    for length in [4, 258 * 3] {
        let rest = [(b"PLTE", vec![7; length]), (b"IDAT", Vec::new())].map(|(kind, data)| {
            let mut crc = flate2::Crc::new();
            crc.update(kind);
            crc.update(&data);
            [&(data.len() as u32).to_be_bytes()[..], kind, &data, &crc.sum().to_be_bytes()].concat()
        });
        let mut paletted = encode(&image::DynamicImage::new_luma8(1, 1))[..33].to_vec();
        paletted[25] = 3;
        let mut crc = flate2::Crc::new();
        crc.update(&paletted[12..29]);
        paletted[29..33].copy_from_slice(&crc.sum().to_be_bytes());
        says(&[paletted, rest.concat()].concat(), &format!("palette of {length} bytes"));
    }

    // A JPEG and a PNG whose headers claim 20,000 x 20,000 pixels.
    let mut huge = whole.clone();
    let frame = huge.windows(2).position(|w| w == [0xff, 0xc0]).unwrap();
    huge[frame + 5..frame + 9].copy_from_slice(&[0x4e, 0x20, 0x4e, 0x20]);
    says(&huge, "20000 x 20000 pixels");
    let mut huge = encode(&image::DynamicImage::new_rgb8(1, 1));
    huge[16..24].copy_from_slice(&[0, 0, 0x4e, 0x20, 0, 0, 0x4e, 0x20]);
    let mut crc = flate2::Crc::new();
    crc.update(&huge[12..29]);
    huge[29..33].copy_from_slice(&crc.sum().to_be_bytes());
    says(&huge, "20000 x 20000 pixels");
}

#[test]
fn unusual_images_decode_as_in_pillow() {
    let close = |bytes: &[u8], expected: [u8; 3]| {
        let Image { pixels, .. } = decode(bytes).unwrap();
        let worst = pixels.chunks(3).flat_map(|p| (0..3).map(move |c| p[c].abs_diff(expected[c]))).max();
        assert!(worst <= Some(3), "{:?} is not {expected:?}", &pixels[..3]);
    };
    // Adobe's CMYK is inverted: 255 is no ink.
    let mut cmyk = Vec::new();
    let ink: Vec<u8> = [255, 128, 0, 255].repeat(256);
    Encoder::new(&mut cmyk, 100).encode(&ink, 16, 16, ColorType::Cmyk).unwrap();
    let image = decode(&cmyk).unwrap();
    assert_eq!((image.width, image.height), (16, 16));
    let mut ycck = Vec::new();
    Encoder::new(&mut ycck, 100).encode(&ink, 16, 16, ColorType::CmykAsYcck).unwrap();
    let same = decode(&ycck).unwrap();
    let worst = image.pixels.iter().zip(&same.pixels).map(|(a, b)| a.abs_diff(*b)).max();
    assert!(worst <= Some(4), "CMYK {:?} and YCCK {:?}", &image.pixels[..3], &same.pixels[..3]);

    let mut gray = Vec::new();
    Encoder::new(&mut gray, 95).encode(&[77; 64], 8, 8, ColorType::Luma).unwrap();
    close(&gray, [77; 3]);
    let sixteen = image::ImageBuffer::from_pixel(4, 4, image::Rgb([257u16 * 10, 257 * 20, 65535]));
    close(&encode(&image::DynamicImage::ImageRgb16(sixteen)), [10, 20, 255]);
    let gray = image::ImageBuffer::from_pixel(4, 4, image::Luma([257u16 * 99]));
    close(&encode(&image::DynamicImage::ImageLuma16(gray)), [99; 3]);
    let alpha = image::ImageBuffer::from_pixel(4, 4, image::Rgba([10u8, 20, 30, 0]));
    close(&encode(&image::DynamicImage::ImageRgba8(alpha)), [10, 20, 30]);
    // A PNG named JPEG is a PNG.
    close(
        &encode(&image::DynamicImage::ImageRgb8(image::RgbImage::from_pixel(1, 1, image::Rgb([1, 2, 3])))),
        [1, 2, 3],
    );
}

/// The mean and largest difference of the values of two images.
fn difference(a: &[u8], b: &[u8]) -> (f64, u8) {
    assert_eq!(a.len(), b.len());
    let apart = || a.iter().zip(b).map(|(a, b)| a.abs_diff(*b));
    (apart().map(f64::from).sum::<f64>() / a.len() as f64, apart().max().unwrap_or(0))
}

/// Unusual encodings, and squares, compared with Pillow (`tests/decode/make.py`).
#[test]
fn unusual_images_and_squares_match_pillow() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/decode");
    let file = std::fs::read(folder.join("expected.safetensors")).unwrap();
    let expected = safetensors::SafeTensors::deserialize(&file).unwrap();
    let (mut images, mut squares) = (0, 0);
    for (name, tensor) in expected.iter() {
        let (height, width) = (tensor.shape()[0], tensor.shape()[1]);
        if let Some(source) = name.strip_suffix(".square") {
            let whole = expected.tensor(source).unwrap();
            let image = Image::new(whole.shape()[1], whole.shape()[0], whole.data().to_vec());
            let (mean, most) = difference(&square(&image, width).pixels, tensor.data());
            eprintln!("{name}: mean {mean:.3}, most {most}");
            assert!(mean <= 1.0 && most <= 2, "{name}: mean {mean}, most {most}");
            squares += 1;
        } else if !name.contains("-to-") {
            let image = decode(&std::fs::read(folder.join("odd").join(name)).unwrap()).unwrap();
            assert_eq!((image.width, image.height), (width, height), "{name}");
            let (mean, most) = difference(&image.pixels, tensor.data());
            eprintln!("{name}: mean {mean:.3}, most {most}");
            // PNG is exact; JPEG decoders differ in rounding and chroma upsampling.
            let limit = if name.ends_with(".png") { 0.0 } else { 2.0 };
            assert!(mean <= limit, "{name}: mean {mean}, most {most}");
            // Check of the test itself: without inversion, CMYK differs a lot.
            let inverted: Vec<u8> = image.pixels.iter().map(|value| 255 - value).collect();
            assert!(difference(&inverted, tensor.data()).0 > 20.0, "{name}");
            images += 1;
        }
    }
    assert_eq!((images, squares), (23, 5));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn damaged_images_never_panic(at in 0usize..2000, value: u8, cut in 0usize..2000) {
        for whole in [jpeg(24, 17, 1), encode(&image::DynamicImage::new_rgba16(13, 7))] {
            let mut bytes = whole.clone();
            let at = at % bytes.len();
            bytes[at] = value;
            let _ = decode(&bytes);
            let _ = decode(&whole[..cut % whole.len()]);
        }
    }
}
