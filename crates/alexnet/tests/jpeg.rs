//! All variants of JPEG: decoded as libjpeg does, rejected by name, or reported as damaged. The comparison with
//! libjpeg-turbo is `tests/jpeg/sweep.py`.

use crate::images;
use crate::markers;

use std::collections::BTreeSet;
use std::path::Path;

use alexnet::data::ProblemKind;
use alexnet::data::check::check;
use alexnet::data::decode::{self, DefectKind, apply_orientation, decode, inspect, jpeg};
use alexnet::data::fix::FixPlan;
use images::{pixels, put};
use jpeg_encoder::{ColorType, Encoder, SamplingFactor};
use markers::*;

const SAMPLINGS: [SamplingFactor; 8] = [
    SamplingFactor::F_1_1,
    SamplingFactor::F_2_1,
    SamplingFactor::F_1_2,
    SamplingFactor::F_2_2,
    SamplingFactor::F_4_1,
    SamplingFactor::F_1_4,
    SamplingFactor::F_4_2,
    SamplingFactor::F_2_4,
];

/// A smooth image, `[height, width, 3]`: a corner of a larger field.
fn smooth(width: u16, height: u16, salt: usize) -> Vec<u8> {
    let (width, height) = (usize::from(width), usize::from(height));
    let field = pixels(6 * width, 6 * height, salt);
    field.chunks(18 * width).take(height).flat_map(|row| row[..3 * width].to_vec()).collect()
}

/// An image in 4:2:0 with whole units.
fn whole(scans: Scans, restart: u16) -> Vec<u8> {
    coded(&pixels(64, 48, 3), (64, 48), SamplingFactor::F_2_2, scans, restart)
}

#[test]
fn scans_and_restarts_do_not_change_the_pixels() {
    for sampling in SAMPLINGS {
        for (width, height) in [(17, 33), (64, 48), (130, 70)] {
            let values = smooth(width, height, 5);
            // One component per scan, without restarts: the reference.
            let truth = decode(&coded(&values, (width, height), sampling, Scans::Each, 0)).unwrap();
            let far = mean_difference(&truth.pixels, &values);
            assert!(far < 8.0, "{sampling:?}, {width} x {height}: {far} from what was coded");
            for scans in [Scans::One, Scans::Each, Scans::Progressive] {
                for restart in [0, 1, 3, width.div_ceil(8)] {
                    // The encoder's optimized codes do not support restarts.
                    if scans == Scans::Each && restart > 0 {
                        continue;
                    }
                    let bytes = coded(&values, (width, height), sampling, scans, restart);
                    let found = decode(&bytes).unwrap();
                    let mean = mean_difference(&found.pixels, &truth.pixels);
                    assert!(mean < 0.5, "{sampling:?}, {width} x {height}, {scans:?}, {restart}: {mean}");
                }
            }
        }
    }
    let scans = whole(Scans::Each, 0).windows(2).filter(|pair| *pair == [0xff, 0xda]).count();
    assert_eq!(scans, 3, "the encoder writes one scan per component");
}

/// Luma and chroma, and the same as red, green and blue.
const CODED: [u8; 3] = [100, 90, 200];
const MEANT: [u8; 3] = [201, 62, 33];

#[test]
fn jfif_takes_precedence_over_adobe_and_adobe_over_names() {
    let mut plain = Vec::new();
    Encoder::new(&mut plain, 100).encode(&CODED.repeat(64 * 64), 64, 64, ColorType::Ycbcr).unwrap();
    let bare = bare(&plain);
    let named = {
        let mut bytes = bare.clone();
        for (first, step) in [(place(&bytes, 0xc0) + 10, 3), (place(&bytes, 0xda) + 5, 2)] {
            (0..3).for_each(|i| bytes[first + step * i] = b"RGB"[i]);
        }
        bytes
    };
    let short = segment(0xee, b"Adobe\0\0");
    let cases = [
        ("JFIF", plain.clone(), MEANT),
        ("no marks", bare.clone(), MEANT),
        ("JFIF and Adobe 0", with(&bare, &[jfif(), adobe(0)].concat()), MEANT),
        ("Adobe 0 and JFIF", with(&bare, &[adobe(0), jfif()].concat()), MEANT),
        ("Adobe 0", with(&bare, &adobe(0)), CODED),
        ("Adobe 1", with(&bare, &adobe(1)), MEANT),
        ("Adobe 2", with(&bare, &adobe(2)), MEANT),
        ("short Adobe", with(&bare, &short), MEANT),
        ("R, G, B", named.clone(), CODED),
        ("R, G, B and JFIF", with(&named, &jfif()), MEANT),
        ("R, G, B and Adobe 1", with(&named, &adobe(1)), MEANT),
    ];
    for (what, bytes, expected) in cases {
        let found = decode(&bytes).unwrap_or_else(|error| panic!("{what}: {error}"));
        let far = mean_difference(&found.pixels, &expected.repeat(64 * 64));
        assert!(far < 1.0, "{what}: {:?} is not {expected:?}", &found.pixels[..3]);
        assert_eq!(inspect(&bytes).unwrap().print, None, "{what}");
    }
}

#[test]
fn unusual_but_complete_files_are_decoded() {
    let bytes = whole(Scans::One, 0);
    let truth = decode(&bytes).unwrap();
    let (frame, first) = (place(&bytes, 0xc0), segments(&bytes).0[1].1);
    let (head, end) = bytes.split_at(bytes.len() - 2);
    let put_in = |at: usize, what: &[u8]| [&bytes[..at], what, &bytes[at..]].concat();
    let mut without_height = head.to_vec();
    without_height[frame + 5..frame + 7].fill(0);
    let height = segment(0xdc, &48u16.to_be_bytes());
    for (what, odd) in [
        ("no end marker", head.to_vec()),
        ("no end marker, progressive", whole(Scans::Progressive, 0)[..].strip_suffix(end).unwrap().to_vec()),
        (
            "no end marker, a scan per component",
            whole(Scans::Each, 0)[..].strip_suffix(end).unwrap().to_vec(),
        ),
        ("the height after the scan", [&without_height, &height, end].concat()),
        ("stray bytes", put_in(first, b"\0\x01\x02\x03")),
        ("many stray bytes", put_in(frame, &[7; 300])),
        ("fill bytes", put_in(frame, &[0xff; 9])),
        ("fill bytes at the end", [head, &[0xff; 4], end].concat()),
        ("another image behind it", bytes.repeat(2)),
        ("an unknown segment", put_in(first, &segment(0xf0, b"what"))),
    ] {
        let found = decode(&odd).unwrap_or_else(|error| panic!("{what}: {error}"));
        assert_eq!((found.width, found.height), (64, 48), "{what}");
        assert!(mean_difference(&found.pixels, &truth.pixels) < 0.5, "{what}");
        assert_eq!(inspect(&odd).unwrap().lacks_end, what.starts_with("no end"), "{what}");
    }
}

#[test]
fn damaged_files_are_reported_as_truncated() {
    let truncated = |what: &str, bytes: &[u8]| {
        let defect = decode(bytes).map(drop).expect_err(what);
        // A truncated header swallows the end marker.
        let cut_header = defect.message.contains("scan header") || defect.message.contains("table");
        assert!(defect.kind == DefectKind::Truncated || cut_header, "{what}: {}", defect.message);
    };
    for (scans, restart) in [(Scans::One, 0), (Scans::One, 2), (Scans::Each, 0), (Scans::Progressive, 0)] {
        let bytes = whole(scans, restart);
        let start = segments(&bytes).1;
        for eighth in 0..8 {
            let mut cut = start + 1 + (bytes.len() - start) * eighth / 8;
            cut -= usize::from(bytes[cut - 1] == 0xff);
            truncated(&format!("{scans:?}, {restart}, {eighth}/8"), &bytes[..cut]);
            let marked = [&bytes[..cut], &[0xff, 0xd9]].concat();
            truncated(&format!("{scans:?}, {restart}, {eighth}/8 with an end marker"), &marked);
        }
        let last = bytes[..bytes.len() - 5].strip_suffix(&[0xff]).unwrap_or(&bytes[..bytes.len() - 5]);
        truncated("the last three bytes are missing", &[last, &[0xff, 0xd9]].concat());
    }
    let bytes = whole(Scans::One, 1);
    let marks = restarts(&bytes);
    assert_eq!(marks.len(), 11);
    let (mark, next) = (marks[4], marks[5]);
    truncated("a restart marker is missing", &[&bytes[..mark], &bytes[mark + 2..]].concat());
    truncated("an interval is missing", &[&bytes[..mark], &bytes[next..]].concat());
    truncated("an interval is short", &[&bytes[..next - 4], &bytes[next..]].concat());
    let mut exchanged = bytes.clone();
    exchanged[mark + 1] = 0xd0 | (exchanged[mark + 1] + 3) & 7;
    truncated("a restart marker of another number", &exchanged);
    // Progressive, without the scans of the last bits.
    let bytes = whole(Scans::Progressive, 0);
    let last = bytes.windows(2).rposition(|pair| pair == [0xff, 0xda]).unwrap();
    truncated("the last scan is missing", &[&bytes[..last], &[0xff, 0xd9]].concat());
}

#[test]
fn unsupported_variants_are_named() {
    let bytes = whole(Scans::One, 0);
    let frame = place(&bytes, 0xc0);
    for (marker, name) in [
        (0xc3, "lossless JPEG"),
        (0xc5, "hierarchical JPEG"),
        (0xde, "hierarchical JPEG"),
        (0xc9, "arithmetic-coded JPEG"),
        (0xca, "arithmetic-coded JPEG"),
        (0xf7, "JPEG-LS"),
    ] {
        let mut bytes = bytes.clone();
        bytes[frame + 1] = marker;
        let defect = decode(&bytes).unwrap_err();
        assert_eq!(defect.kind, DefectKind::Unsupported);
        assert!(defect.message.starts_with(&format!("{name} is not supported")), "{}", defect.message);
        assert!(inspect(&bytes).is_err());
    }
    let mut deep = bytes.clone();
    (deep[frame + 1], deep[frame + 4]) = (0xc1, 12);
    assert!(decode(&deep).unwrap_err().message.starts_with("12-bit JPEG is not supported"));
}

#[test]
fn the_check_reports_exactly_the_defects() {
    let dir = tempfile::tempdir().unwrap();
    let image = |salt| coded(&pixels(96, 80, salt), (96, 80), SamplingFactor::F_2_2, Scans::One, 0);
    for salt in 0..8 {
        put(dir.path(), &format!("{}/{salt}.jpg", ["cat", "dog"][salt % 2]), &image(salt));
    }
    let (half, short) = (image(20), image(21));
    let half = [&half[..half.len() / 2], &[0xff, 0xd9]].concat();
    put(dir.path(), "cat/half.jpg", &half);
    put(dir.path(), "cat/no-end.jpg", &short[..short.len() - 2]);
    put(dir.path(), "cat/both-marks.jpg", &with(&bare(&image(22)), &[jfif(), adobe(0)].concat()));
    put(dir.path(), "cat/rgb.jpg", &with(&bare(&image(23)), &adobe(0)));
    let diagnosis = check(dir.path(), 2, &|_, _| ()).unwrap();
    let found: BTreeSet<(ProblemKind, &str)> =
        diagnosis.problems.iter().map(|problem| (problem.kind, problem.file.as_str())).collect();
    let expected =
        [(ProblemKind::Truncated, "cat/half.jpg"), (ProblemKind::NoEndMark, "cat/no-end.jpg")].into();
    assert_eq!(found, expected);
}

#[test]
fn repaired_files_keep_their_quality_and_sampling() {
    for sampling in SAMPLINGS {
        // Whole units are rotated without loss; others are encoded again.
        for (width, height) in [(128, 96), (70, 45)] {
            let values = smooth(width, height, 9);
            for (orientation, scans) in
                (1..=8).zip([Scans::One, Scans::Each, Scans::Progressive].iter().cycle())
            {
                let bytes = coded(&values, (width, height), sampling, *scans, 0);
                let bytes = with(&bytes, &exif(orientation));
                let what = format!("{sampling:?}, {width} x {height}, {orientation}");
                let mended = mended(&bytes);
                if orientation == 1 {
                    assert_eq!(mended, bytes, "{what}");
                    continue;
                }
                assert_eq!(inspect(&mended).unwrap().orientation, 1, "{what}");
                assert_eq!(jpeg::coding(&mended).unwrap(), jpeg::coding(&bytes).unwrap(), "{what}");
                let upright = apply_orientation(decode(&bytes).unwrap(), orientation);
                let found = decode(&mended).unwrap();
                assert_eq!((found.width, found.height), (upright.width, upright.height), "{what}");
                let mean = mean_difference(&found.pixels, &upright.pixels);
                // With subsampled chroma, other pixels share a sample than before.
                let shared = jpeg::coding(&bytes).unwrap().chroma.unwrap().shared;
                let most = match width {
                    128 => 0.5,
                    _ => *shared.iter().max().unwrap() as f64,
                };
                assert!(mean < most, "{what}: {mean}");
            }
        }
    }
}

/// A file as repaired by a plan.
fn mended(bytes: &[u8]) -> Vec<u8> {
    let dir = tempfile::tempdir().unwrap();
    let (set, out) = (dir.path().join("set"), dir.path().join("out"));
    put(&set, "cat/a.jpg", bytes);
    put(&set, "dog/b.jpg", &images::jpeg(90, 80, 77));
    let plan = FixPlan::of(&check(&set, 1, &|_, _| ()).unwrap(), &set);
    plan.copy_to(&out, &|_, _| ()).unwrap();
    std::fs::read(out.join("cat/a.jpg")).unwrap()
}

#[test]
fn rotating_a_file_and_back_is_lossless() {
    for sampling in SAMPLINGS {
        let bytes = coded(&pixels(64, 96, 4), (64, 96), sampling, Scans::Progressive, 0);
        for (there, back) in [(2, 2), (3, 3), (4, 4), (5, 5), (6, 8), (7, 7), (8, 6)] {
            let turned = jpeg::upright(&with(&bytes, &exif(there))).unwrap().expect("whole units");
            let same = jpeg::upright(&with(&turned, &exif(back))).unwrap().expect("whole units");
            let (found, truth) = (decode(&same).unwrap(), decode(&bytes).unwrap());
            assert!(mean_difference(&found.pixels, &truth.pixels) < 0.5, "{sampling:?}, {there}");
            // Twice more: rounded coefficients would drift.
            let again = jpeg::upright(&with(&same, &exif(there))).unwrap().unwrap();
            assert_eq!(decode(&again).unwrap(), decode(&turned).unwrap(), "{sampling:?}, {there}");
        }
    }
}

#[test]
fn print_colors_are_repaired_at_the_same_quality() {
    for (color, quality) in [(ColorType::Cmyk, 60), (ColorType::CmykAsYcck, 97)] {
        let ink: Vec<u8> = pixels(80, 64, 6).chunks(3).flat_map(|p| [p[0], p[1], p[2], 220]).collect();
        let mut bytes = Vec::new();
        Encoder::new(&mut bytes, quality).encode(&ink, 80, 64, color).unwrap();
        let mended = mended(&bytes);
        assert_eq!(inspect(&mended).unwrap().print, None);
        assert_eq!(jpeg::coding(&mended).unwrap(), jpeg::coding(&bytes).unwrap(), "{color:?}");
        let (found, truth) = (decode(&mended).unwrap(), decode(&bytes).unwrap());
        assert!(mean_difference(&found.pixels, &truth.pixels) < 4.0, "{color:?}");
    }
}

/// Files from other programs, with libjpeg-turbo's results next to them.
#[test]
fn shared_faults_decode_correctly() {
    let Some(folder) =
        std::env::var_os("ALEXNET_SHARED").map(|shared| Path::new(&shared).join("../faults/jpeg"))
    else {
        println!("skipped: no faults/jpeg next to ALEXNET_SHARED");
        return;
    };
    if !folder.is_dir() {
        println!("skipped: {} does not exist", folder.display());
        return;
    }
    let read = |name: &str| std::fs::read(folder.join(name)).unwrap();
    for name in [
        "scans_420",
        "scans_422_two_and_one",
        "jfif_and_adobe0",
        "rgb_adobe0_called_cmyk",
        "dnl",
        "only_end_mark_missing",
        "4_stray_bytes",
    ] {
        let bytes = read(&format!("{name}.jpg"));
        let (found, right) = (decode(&bytes).unwrap(), decode(&read(&format!("{name}.right.png"))).unwrap());
        let mean = mean_difference(&found.pixels, &right.pixels);
        println!("{name}: {mean:.3}");
        assert!(mean < 0.5, "{name}: {mean}");
        assert_eq!(inspect(&bytes).unwrap().print, None, "{name}");
    }
    assert_eq!(decode(&read("half_with_end_mark.jpg")).unwrap_err().kind, DefectKind::Truncated);
    let arithmetic = decode(&read("arithmetic.jpg")).unwrap_err();
    assert!(arithmetic.message.contains("arithmetic-coded JPEG"), "{}", arithmetic.message);
    assert_eq!(decode::Format::of(&read("arithmetic.jpg")), Some(decode::Format::Jpeg));
}
