//! Inspects one image.

use sha2::{Digest, Sha256};

use super::fingerprint::Fingerprint;
use crate::data::Image;
use crate::data::decode::{self, DefectKind, Format, Traits};
use crate::data::problem::{Problem, ProblemKind};
use crate::data::source::{Split, Stored};

/// An image with a shorter side is reported as tiny, unless most of the set are.
const TINY: usize = 64;

/// An aspect ratio above this is reported.
const EXTREME: f64 = 3.0;

/// The result of inspecting an image.
#[derive(Debug)]
pub(super) struct Probe {
    /// The number of its split and its index there.
    pub(super) split: usize,
    pub(super) index: usize,
    pub(super) problems: Vec<Problem>,
    /// Width and height, if it decodes.
    size: Option<(usize, usize)>,
    /// A digest of its bytes.
    pub(super) digest: Option<[u8; 16]>,
    pub(super) fingerprint: Option<Fingerprint>,
}

impl Probe {
    pub(super) fn of(images: &Split, split: usize, index: usize) -> Self {
        let mut probe =
            Self { split, index, problems: Vec::new(), size: None, digest: None, fingerprint: None };
        let file = images.file(index);
        let mut report = |kind, detail: String| {
            probe.problems.push(Problem { file: file.to_owned(), kind, detail });
        };
        if file.chars().any(|c| c.is_control() || c == char::REPLACEMENT_CHARACTER) {
            report(ProblemKind::UnreadableName, format!("the file name {file:?} is not plain text"));
        }
        match images.stored(index) {
            Err(error) => report(ProblemKind::Unreadable, error.message),
            Ok(stored @ Stored::TooLarge(_)) => {
                stored
                    .decode()
                    .err()
                    .into_iter()
                    .for_each(|error| report(ProblemKind::Undecodable, error.message));
            }
            Ok(Stored::Pixels(image)) => {
                probe.digest = Some(short(&image.pixels));
                probe.fingerprint = Some(Fingerprint::of(&image));
            }
            Ok(Stored::File(bytes)) => {
                probe.digest = (!bytes.is_empty()).then(|| short(&bytes));
                if let Some(image) = inspect_file(file, &bytes, images.follows_exif(), &mut report) {
                    probe.size = Some((image.width, image.height));
                    probe.fingerprint = Some(Fingerprint::of(&image));
                }
            }
        }
        probe
    }
}

/// Returns the first half of the SHA-256.
fn short(bytes: &[u8]) -> [u8; 16] {
    Sha256::digest(bytes)[..16].try_into().expect("half of 32 bytes")
}

/// Reports what is wrong with an image file, and decodes it.
fn inspect_file(
    file: &str,
    bytes: &[u8],
    follows_exif: bool,
    report: &mut impl FnMut(ProblemKind, String),
) -> Option<Image> {
    let traits = decode::inspect(bytes);
    if let Ok(traits) = &traits {
        report_traits(file, traits, follows_exif, report);
    }
    let defect = match decode::decode(bytes) {
        Ok(image) => {
            if traits.is_ok_and(|traits| traits.lacks_end) {
                report(
                    ProblemKind::NoEndMark,
                    "the end marker is missing; all pixels are present".to_owned(),
                );
            }
            report_aspect(&image, report);
            return Some(image);
        }
        Err(defect) => defect,
    };
    let kind = match defect.kind {
        DefectKind::Empty => ProblemKind::Empty,
        DefectKind::Truncated => ProblemKind::Truncated,
        DefectKind::Broken | DefectKind::Unsupported => ProblemKind::Undecodable,
    };
    report(kind, defect.message);
    None
}

fn report_aspect(image: &Image, report: &mut impl FnMut(ProblemKind, String)) {
    let (width, height) = (image.width, image.height);
    let aspect = width.max(height) as f64 / width.min(height) as f64;
    if aspect > EXTREME {
        let cut = 100.0 * (1.0 - 1.0 / aspect);
        let detail = format!("{width} x {height}: the center square discards {cut:.0} % of the image");
        report(ProblemKind::ExtremeAspect, detail);
    }
}

fn report_traits(
    file: &str,
    traits: &Traits,
    follows_exif: bool,
    report: &mut impl FnMut(ProblemKind, String),
) {
    let name = file.rsplit('/').next().unwrap_or(file);
    let named = name.rsplit_once('.').and_then(|(_, extension)| Format::of_extension(extension));
    if let Some(named) = named.filter(|&named| named != traits.format) {
        report(
            ProblemKind::WrongName,
            format!("named as {} but the contents are {}", named.name(), traits.format.name()),
        );
    }
    match traits.print {
        Some(decode::Print::Cmyk) => report(ProblemKind::Cmyk, "print color space CMYK".to_owned()),
        Some(decode::Print::Ycck) => report(ProblemKind::Ycck, "print color space YCCK".to_owned()),
        None => {}
    }
    if traits.sixteen_bit {
        report(ProblemKind::SixteenBit, "16 bits per channel; 8 are used".to_owned());
    }
    if traits.animated {
        report(ProblemKind::Animated, "several images in one file; only the first is used".to_owned());
    }
    if traits.orientation != 1 {
        let used = match follows_exif {
            true => "applied by recipes with `orientation = \"exif\"`; other programs may ignore it",
            false => "ignored: ImageNet's images are used as stored",
        };
        let detail = format!("EXIF orientation {}: {used}", traits.orientation);
        report(ProblemKind::Rotated, detail);
    }
}

/// Returns the images that are much smaller than most.
pub(super) fn small_ones(probes: &[Probe], splits: &[&Split]) -> Vec<Problem> {
    let short = |probe: &Probe| probe.size.map(|(width, height)| width.min(height));
    let mut sides: Vec<usize> = probes.iter().filter_map(short).collect();
    sides.sort_unstable();
    let median = sides.get(sides.len() / 2).copied().unwrap_or(0);
    let limit = TINY.min(median / 2);
    let small = |probe: &Probe| {
        let (width, height) = probe.size.filter(|&(width, height)| width.min(height) < limit)?;
        let detail = format!("{width} x {height}; the median of the short sides is {median}");
        let file = splits[probe.split].file(probe.index).to_owned();
        Some(Problem { file, kind: ProblemKind::Tiny, detail })
    };
    probes.iter().filter_map(small).collect()
}
