//! A plan: what to do about the problems of a source.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::data::check::Diagnosis;
use crate::data::problem::ProblemKind;
use crate::data::source::Dataset;
use crate::files::json;
use crate::{Error, Result};

/// The version of plans that this program reads and writes.
const FORMAT_VERSION: u32 = 1;

/// What to do about the problems of a source.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FixPlan {
    /// The format version.
    pub format_version: u32,
    /// The absolute path of the source.
    #[serde(with = "json::path")]
    pub source: PathBuf,
    /// One step for each image that changes.
    pub steps: Vec<FixStep>,
}

/// What to do about one image.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FixStep {
    /// The image, as named by `data check`.
    pub file: String,
    /// What to do.
    pub action: Action,
    /// The problems that require it.
    pub because: Vec<ProblemKind>,
    /// The description of these problems.
    pub detail: String,
}

/// What to do about an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Action {
    /// Repair: rotate by the EXIF orientation and convert to 8-bit RGB. A JPEG keeps its quality and sampling, others become PNG.
    Mend,
    /// Leave the image out.
    LeaveOut,
}

/// The name in plans.
impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Mend => "mend",
            Self::LeaveOut => "leave-out",
        })
    }
}

/// The number of images by what was done.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct FixCounts {
    /// Images kept unchanged.
    pub kept: usize,
    /// Images repaired.
    pub mended: usize,
    /// Images left out.
    pub left_out: usize,
}

impl FixPlan {
    /// Plans repairs for the problems found in the source at `path`.
    ///
    /// Leaves out images that cannot be read or decoded, the later of two files with the same bytes (the one in the training set,
    /// if only one is), and training images that look like an image of another split. Repairs print colors, wrong extensions,
    /// 16-bit images, files with several images, and images with an EXIF orientation. Everything else stays.
    pub fn of(diagnosis: &Diagnosis, path: &Path) -> Self {
        let mut steps: BTreeMap<&str, FixStep> = BTreeMap::new();
        let crossing: BTreeSet<&str> = diagnosis
            .pairs
            .iter()
            .filter(|pair| pair.crosses_splits())
            .map(|pair| pair.file.as_str())
            .collect();
        for problem in &diagnosis.problems {
            let action = match problem.kind {
                ProblemKind::Unreadable
                | ProblemKind::Empty
                | ProblemKind::Truncated
                | ProblemKind::Undecodable
                | ProblemKind::Duplicate => Action::LeaveOut,
                ProblemKind::NearDuplicate if crossing.contains(problem.file.as_str()) => Action::LeaveOut,
                ProblemKind::Cmyk | ProblemKind::Ycck | ProblemKind::WrongName | ProblemKind::SixteenBit => {
                    Action::Mend
                }
                ProblemKind::Animated | ProblemKind::Rotated => Action::Mend,
                ProblemKind::NearDuplicate
                | ProblemKind::NoEndMark
                | ProblemKind::Tiny
                | ProblemKind::ExtremeAspect
                | ProblemKind::UnreadableName
                | ProblemKind::Junk
                | ProblemKind::Unsupported
                | ProblemKind::NotUsed
                | ProblemKind::Loose
                | ProblemKind::Missing
                | ProblemKind::EmptyClass
                | ProblemKind::UndecodableClass
                | ProblemKind::OneClass
                | ProblemKind::AlikeClasses
                | ProblemKind::UnknownClass
                | ProblemKind::MissingClass
                | ProblemKind::ClassOrder
                | ProblemKind::Imbalance => continue,
            };
            let step = steps.entry(&problem.file).or_insert_with(|| FixStep {
                file: problem.file.clone(),
                action,
                because: Vec::new(),
                detail: String::new(),
            });
            step.action = step.action.max(action);
            step.because.push(problem.kind);
            let separator = if step.detail.is_empty() { "" } else { "; " };
            step.detail += &format!("{separator}{}", problem.detail);
        }
        let source = path.canonicalize().unwrap_or_else(|_| path.to_owned());
        Self { format_version: FORMAT_VERSION, source, steps: steps.into_values().collect() }
    }

    /// Reads a plan.
    ///
    /// # Errors
    /// Returns an error if the file does not exist or is not a plan.
    pub fn read(path: &Path) -> Result<Self> {
        let plan: Self = json::read(path, "plan")
            .map_err(|error| error.help("to create one: `alexnet data check SRC --plan FILE`"))?;
        match plan.format_version {
            FORMAT_VERSION => Ok(plan),
            other => Err(Error::data(format!(
                "{}: plan format version {other}, expected {FORMAT_VERSION}",
                path.display()
            ))),
        }
    }

    /// Writes the plan.
    ///
    /// # Errors
    /// Returns an error if the file cannot be written.
    pub fn write(&self, path: &Path) -> Result<()> {
        json::write(path, self)
    }

    /// Returns the steps by image.
    ///
    /// # Errors
    /// Returns an error if an image has two steps, or is not in the data set.
    pub(super) fn by_file(&self, dataset: &Dataset) -> Result<HashMap<&str, &FixStep>> {
        let mut steps: HashMap<&str, &FixStep> = HashMap::new();
        for step in &self.steps {
            if let Some(before) = steps.insert(&step.file, step) {
                let (file, one, two) = (&step.file, before.action, step.action);
                return Err(Error::data(format!("the plan has two steps for {file}: `{one}` and `{two}`"))
                    .help("delete one of them from the plan"));
            }
        }
        let mut lost: BTreeSet<&str> = steps.keys().copied().collect();
        for split in &dataset.splits {
            for index in 0..split.len() {
                lost.remove(split.file(index));
            }
        }
        match lost.first() {
            None => Ok(steps),
            Some(first) => Err(Error::data(format!(
                "{} of the {} images in the plan are not in {}; the first is `{first}`",
                lost.len(),
                self.steps.len(),
                self.source.display()
            ))
            .help("create a new plan: `alexnet data check SRC --plan FILE`")),
        }
    }
}
