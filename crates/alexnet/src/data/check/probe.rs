//! A look at one image.

use sha2::{Digest, Sha256};

use super::alike::Look;
use super::{Problem, ProblemKind};
use crate::data::decode::{self, DefectKind, Format, Traits};
use crate::data::{Image, Split, Stored};

/// An image whose short side has fewer pixels is tiny, unless most of the set are.
const TINY: usize = 64;

/// An image this many times longer than wide is extreme.
const EXTREME: f64 = 3.0;

/// What a look at an image found.
#[derive(Debug)]
pub(super) struct Probe {
    /// Its split among those looked at, and its place there.
    pub(super) split: usize,
    pub(super) index: usize,
    pub(super) problems: Vec<Problem>,
    /// Columns and rows, of a file that decodes.
    size: Option<(usize, usize)>,
    /// What its bytes are, and what it looks like.
    pub(super) digest: Option<[u8; 16]>,
    pub(super) look: Option<Look>,
}

impl Probe {
    pub(super) fn of(images: &Split, split: usize, index: usize) -> Self {
        let mut probe = Self { split, index, problems: Vec::new(), size: None, digest: None, look: None };
        let file = images.file(index);
        let mut tell = |kind, detail: String| {
            probe.problems.push(Problem { file: file.to_owned(), kind, detail });
        };
        if file.chars().any(|c| c.is_control() || c == char::REPLACEMENT_CHARACTER) {
            tell(ProblemKind::UnreadableName, format!("its name, {file:?}, is not plain text"));
        }
        match images.stored(index) {
            Err(error) => tell(ProblemKind::Unreadable, error.message),
            Ok(stored @ Stored::TooLarge(_)) => {
                stored
                    .decode()
                    .err()
                    .into_iter()
                    .for_each(|error| tell(ProblemKind::Undecodable, error.message));
            }
            Ok(Stored::Pixels(image)) => {
                probe.digest = Some(short(&image.pixels));
                probe.look = Some(Look::of(&image));
            }
            Ok(Stored::File(bytes)) => {
                probe.digest = (!bytes.is_empty()).then(|| short(&bytes));
                if let Some(image) = look_at(file, &bytes, images.follows_exif(), &mut tell) {
                    probe.size = Some((image.width, image.height));
                    probe.look = Some(Look::of(&image));
                }
            }
        }
        probe
    }
}

/// The first half of the SHA-256: what tells files from each other.
fn short(bytes: &[u8]) -> [u8; 16] {
    Sha256::digest(bytes)[..16].try_into().expect("half of 32 bytes")
}

/// Tells what is wrong with an image file, and decodes it.
fn look_at(
    file: &str,
    bytes: &[u8],
    follows_exif: bool,
    tell: &mut impl FnMut(ProblemKind, String),
) -> Option<Image> {
    let traits = decode::inspect(bytes);
    if let Ok(traits) = &traits {
        tell_traits(file, traits, follows_exif, tell);
    }
    let defect = match decode::decode(bytes) {
        Ok(image) => {
            if traits.is_ok_and(|traits| traits.lacks_end) {
                tell(ProblemKind::NoEndMark, "the end mark is missing; all pixels are there".to_owned());
            }
            tell_aspect(&image, tell);
            return Some(image);
        }
        Err(defect) => defect,
    };
    let kind = match defect.kind {
        DefectKind::Empty => ProblemKind::Empty,
        DefectKind::Truncated => ProblemKind::Truncated,
        DefectKind::Broken | DefectKind::Unsupported => ProblemKind::Undecodable,
    };
    tell(kind, defect.message);
    None
}

fn tell_aspect(image: &Image, tell: &mut impl FnMut(ProblemKind, String)) {
    let (width, height) = (image.width, image.height);
    let aspect = width.max(height) as f64 / width.min(height) as f64;
    if aspect > EXTREME {
        let cut = 100.0 * (1.0 - 1.0 / aspect);
        let detail = format!("{width} x {height}: the center square leaves {cut:.0} % of it out");
        tell(ProblemKind::ExtremeAspect, detail);
    }
}

fn tell_traits(file: &str, traits: &Traits, follows_exif: bool, tell: &mut impl FnMut(ProblemKind, String)) {
    let name = file.rsplit('/').next().unwrap_or(file);
    let named = name.rsplit_once('.').and_then(|(_, extension)| Format::of_extension(extension));
    if let Some(named) = named.filter(|&named| named != traits.format) {
        tell(ProblemKind::WrongName, format!("named as {} but is {}", named.name(), traits.format.name()));
    }
    match traits.print {
        Some(decode::Print::Cmyk) => tell(ProblemKind::Cmyk, "in the colors of print, CMYK".to_owned()),
        Some(decode::Print::Ycck) => tell(ProblemKind::Ycck, "in the colors of print, YCCK".to_owned()),
        None => {}
    }
    if traits.sixteen_bit {
        tell(ProblemKind::SixteenBit, "16 bits a color; 8 are used".to_owned());
    }
    if traits.animated {
        tell(ProblemKind::Animated, "several images in one file; the first is used".to_owned());
    }
    if traits.orientation != 1 {
        let used = match follows_exif {
            true => "followed by recipes with `orientation = \"exif\"`; other programs may ignore it",
            false => "ignored: ImageNet's images are used as stored",
        };
        let detail = format!("EXIF orientation {}: {used}", traits.orientation);
        tell(ProblemKind::Rotated, detail);
    }
}

/// The images far smaller than most.
pub(super) fn small_ones(probes: &[Probe], splits: &[&Split]) -> Vec<Problem> {
    let short = |probe: &Probe| probe.size.map(|(width, height)| width.min(height));
    let mut sides: Vec<usize> = probes.iter().filter_map(short).collect();
    sides.sort_unstable();
    let median = sides.get(sides.len() / 2).copied().unwrap_or(0);
    let limit = TINY.min(median / 2);
    let small = |probe: &Probe| {
        let (width, height) = probe.size.filter(|&(width, height)| width.min(height) < limit)?;
        let detail = format!("{width} x {height}; the median of all short sides is {median}");
        let file = splits[probe.split].file(probe.index).to_owned();
        Some(Problem { file, kind: ProblemKind::Tiny, detail })
    };
    probes.iter().filter_map(small).collect()
}
