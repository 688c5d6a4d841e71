//! What can be wrong with images and with the way they are stored.

use serde::{Deserialize, Serialize};

/// One thing that is wrong, or worth knowing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// The image, folder, split or archive.
    pub file: String,
    /// What it is.
    pub kind: ProblemKind,
    /// In words, with values.
    pub detail: String,
}

/// Kinds of problems. Their names in JSON are these in small letters, `wrong-name`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ProblemKind {
    /// The bytes cannot be read.
    Unreadable,
    /// A file of 0 bytes.
    Empty,
    /// An image that ends before it should.
    Truncated,
    /// An image that does not decode for another reason, or in a format that is not read.
    Undecodable,
    /// A JPEG without its end mark, of which everything else is there.
    NoEndMark,
    /// JPEG in the colors of print.
    Cmyk,
    /// JPEG in the colors of print, coded as brightness and differences.
    Ycck,
    /// The name says JPEG, the bytes say PNG, or the other way.
    WrongName,
    /// More than eight bits a color.
    SixteenBit,
    /// Several images in one file; the first is used.
    Animated,
    /// EXIF says to turn or mirror the image: recipes with `orientation = "exif"` do.
    Rotated,
    /// Far smaller than the square that the network sees.
    Tiny,
    /// Much longer than wide, or the other way: the center square leaves most of it out.
    ExtremeAspect,
    /// A name that is not text, or has characters that steer terminals.
    UnreadableName,
    /// A file or folder that archivers, editors or systems leave behind, or an entry that is no plain file.
    Junk,
    /// An image in a format that is not decoded, such as HEIC.
    Unsupported,
    /// A file or folder that is left out on purpose: masks, what this program made, folders beside `train/`.
    NotUsed,
    /// An image beside the class folders.
    Loose,
    /// An image that a list of labels has, and the folder has not.
    Missing,
    /// A class folder without images.
    EmptyClass,
    /// A class of which no image decodes.
    UndecodableClass,
    /// The only class.
    OneClass,
    /// Class names that look the same.
    AlikeClasses,
    /// A class of another split that the training images do not have.
    UnknownClass,
    /// A class that a split has no images of.
    MissingClass,
    /// Class names that other programs sort in another order.
    ClassOrder,
    /// A class with far fewer images than another.
    Imbalance,
    /// Two files with the same bytes.
    Duplicate,
    /// Two images that look the same.
    NearDuplicate,
}

impl ProblemKind {
    /// The name, as in JSON.
    pub fn name(self) -> String {
        match serde_json::to_value(self) {
            Ok(serde_json::Value::String(name)) => name,
            _ => String::new(),
        }
    }
}

/// Collects what is wrong with a source as a whole. To use it, what cannot be meant is refused; to look at it, all is
/// told and the rest is opened.
#[derive(Debug, Default)]
pub(in crate::data) struct Findings {
    /// `None` refuses.
    problems: Option<Vec<Problem>>,
    /// Whether the classes are in the order of folder names.
    ordered_by_folders: bool,
}

impl Findings {
    /// For a look at everything.
    pub(in crate::data) fn lenient() -> Self {
        Self { problems: Some(Vec::new()), ..Self::default() }
    }

    /// All that was told.
    pub(in crate::data) fn into_problems(self) -> Vec<Problem> {
        self.problems.unwrap_or_default()
    }

    /// Notes that the classes are in the order of folder names, not in one that the source gives them.
    pub(in crate::data) fn order_by_folders(&mut self) {
        self.ordered_by_folders = true;
    }

    /// Whether the classes are in the order of folder names.
    pub(in crate::data) fn is_ordered_by_folders(&self) -> bool {
        self.ordered_by_folders
    }

    /// What does not hinder use.
    pub(in crate::data) fn tell(
        &mut self,
        kind: ProblemKind,
        file: impl Into<String>,
        detail: impl Into<String>,
    ) {
        if let Some(problems) = &mut self.problems {
            problems.push(Problem { file: file.into(), kind, detail: detail.into() });
        }
    }

    /// What hinders use: `error`, unless only a look is taken, which tells `problems` instead.
    pub(in crate::data) fn refuse(
        &mut self,
        error: impl FnOnce() -> crate::Error,
        problems: impl IntoIterator<Item = Problem>,
    ) -> crate::Result<()> {
        let Some(told) = &mut self.problems else { return Err(error()) };
        told.extend(problems);
        Ok(())
    }
}
