//! Problems of images and of the way they are stored.

use serde::{Deserialize, Serialize};

/// A problem, or something worth knowing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// The image, folder, split or archive.
    pub file: String,
    /// The kind of problem.
    pub kind: ProblemKind,
    /// The description, with values.
    pub detail: String,
}

/// Kinds of problems. In JSON their names are in kebab case: `wrong-name`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ProblemKind {
    /// The file cannot be read.
    Unreadable,
    /// The file has 0 bytes.
    Empty,
    /// The image is truncated.
    Truncated,
    /// The image does not decode for another reason, or its format is not supported.
    Undecodable,
    /// A JPEG without an end-of-image marker that is otherwise complete.
    NoEndMark,
    /// A CMYK JPEG.
    Cmyk,
    /// A YCCK JPEG: CMYK stored as luma, chroma and black.
    Ycck,
    /// The extension does not match the contents.
    WrongName,
    /// More than eight bits per channel.
    SixteenBit,
    /// Several images in one file; only the first is used.
    Animated,
    /// An EXIF orientation, which recipes with `orientation = "exif"` apply.
    Rotated,
    /// Much smaller than most images of the set.
    Tiny,
    /// A large aspect ratio: the center square discards most of the image.
    ExtremeAspect,
    /// A name that is not valid text, or contains control characters.
    UnreadableName,
    /// A system or editor file, or an entry that is not a regular file.
    Junk,
    /// An image in an unsupported format, such as HEIC.
    Unsupported,
    /// A file or folder that is ignored on purpose: masks, folders made by alexnet, folders next to `train/`.
    NotUsed,
    /// An image outside the class folders.
    Loose,
    /// A file that a list of labels names, but that does not exist.
    Missing,
    /// A class folder without images.
    EmptyClass,
    /// A class of which no image decodes.
    UndecodableClass,
    /// The only class.
    OneClass,
    /// Class names that look the same.
    AlikeClasses,
    /// A class of another split that is not in the training set.
    UnknownClass,
    /// A class without images in a split.
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

/// Collects problems of a source as a whole. When a source is opened for use, problems that prevent it are errors; when it is
/// checked, they are collected and the rest is opened.
#[derive(Debug, Default)]
pub(in crate::data) struct Findings {
    /// `None` when the source is opened for use.
    problems: Option<Vec<Problem>>,
    /// Whether the classes are in the order of folder names.
    ordered_by_folders: bool,
}

impl Findings {
    /// Creates a collection for a check.
    pub(in crate::data) fn lenient() -> Self {
        Self { problems: Some(Vec::new()), ..Self::default() }
    }

    /// Returns all collected problems.
    pub(in crate::data) fn into_problems(self) -> Vec<Problem> {
        self.problems.unwrap_or_default()
    }

    /// Records that the classes are in the order of folder names, not in an order given by the source.
    pub(in crate::data) fn order_by_folders(&mut self) {
        self.ordered_by_folders = true;
    }

    /// Returns whether the classes are in the order of folder names.
    pub(in crate::data) fn is_ordered_by_folders(&self) -> bool {
        self.ordered_by_folders
    }

    /// Reports a problem that does not prevent use.
    pub(in crate::data) fn report(
        &mut self,
        kind: ProblemKind,
        file: impl Into<String>,
        detail: impl Into<String>,
    ) {
        if let Some(problems) = &mut self.problems {
            problems.push(Problem { file: file.into(), kind, detail: detail.into() });
        }
    }

    /// Reports problems that prevent use: fails with `error`, or collects `problems` during a check.
    pub(in crate::data) fn reject(
        &mut self,
        error: impl FnOnce() -> crate::Error,
        problems: impl IntoIterator<Item = Problem>,
    ) -> crate::Result<()> {
        let Some(collected) = &mut self.problems else { return Err(error()) };
        collected.extend(problems);
        Ok(())
    }
}
