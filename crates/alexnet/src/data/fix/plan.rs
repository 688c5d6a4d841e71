//! A plan: what to do about the problems of a source.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::data::check::{Diagnosis, DuplicatePair};
use crate::data::free_path::free_path;
use crate::data::problem::{Problem, ProblemKind};
use crate::data::source::Dataset;
use crate::error::shell;
use crate::files::{atomic, json};
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
    /// if only one is), and training images that look like an image of another split; both images if their classes differ, since
    /// nothing says which label is wrong. A file that is listed in several splits stays in all. Repairs print colors, wrong extensions, 16-bit images, files with several images, and
    /// images with an EXIF orientation. Everything else stays.
    pub fn of(diagnosis: &Diagnosis, path: &Path) -> Self {
        let mut steps = BTreeMap::new();
        let crossing: BTreeSet<&str> = diagnosis
            .pairs
            .iter()
            .filter(|pair| pair.crosses_splits())
            .map(|pair| pair.file.as_str())
            .collect();
        // No copy of itself: nothing says which list should not name it.
        let listed_twice: BTreeSet<&str> =
            diagnosis.pairs.iter().filter(|pair| pair.is_one_file()).map(|pair| pair.file.as_str()).collect();
        let is_fixable = |problem: &&Problem| {
            problem.kind != ProblemKind::Duplicate || !listed_twice.contains(problem.file.as_str())
        };
        for problem in diagnosis.problems.iter().filter(is_fixable) {
            if let Some(action) = action_for(problem, crossing.contains(problem.file.as_str())) {
                add_step(&mut steps, problem, action);
            }
        }
        let contradicting = |pair: &&DuplicatePair| {
            !pair.same_class && !pair.is_one_file() && (pair.same_bytes || pair.crosses_splits())
        };
        for pair in diagnosis.pairs.iter().filter(contradicting) {
            add_step(&mut steps, &pair.swapped().problem(), Action::LeaveOut);
        }
        let source = path.canonicalize().unwrap_or_else(|_| path.to_owned());
        Self { format_version: FORMAT_VERSION, source, steps: steps.into_values().collect() }
    }

    /// Reads a plan.
    ///
    /// # Errors
    /// Returns an error if the file does not exist or is not a plan.
    pub fn read(path: &Path) -> Result<Self> {
        let plan: Self = json::read(path, "plan").map_err(|error| error.help(unreadable_help(path)))?;
        match plan.format_version {
            FORMAT_VERSION => Ok(plan),
            other => Err(Error::data(format!(
                "{}: plan format version {other}, expected {FORMAT_VERSION}",
                path.display()
            ))),
        }
    }

    /// Checks that `path` is free for a new plan: a file may be a photo, or a plan that was edited. Pipes and devices are free.
    ///
    /// # Errors
    /// Returns an error if there is a file or a folder.
    pub fn check_free(path: &Path) -> Result<()> {
        // A broken link is a name that is taken, too.
        if path.symlink_metadata().is_err() || atomic::is_stream(path) {
            return Ok(());
        }
        let shown = path.display();
        if path.is_dir() {
            let inside = shell(free_path(&path.join("plan.json")));
            return Err(Error::usage(format!("{shown} is a folder, expected the name of a new file"))
                .help(format!("choose a name in it: `--plan {inside}`")));
        }
        // The file may be an image.
        let new = shell(free_path(&path.with_extension("json")));
        Err(Error::usage(format!("{shown} exists already, and a plan replaces no file")).help(format!(
            "choose another name: `--plan {new}`; or delete it, if it is a plan that you no longer need"
        )))
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
            .help(format!(
                "delete the steps of these images from the plan; or create a new plan: \
                 `alexnet data check {} --plan NEW.json`",
                shell(&self.source)
            ))),
        }
    }
}

/// Returns what to do about a problem, if anything. `crosses`: the image duplicates one of another split.
fn action_for(problem: &Problem, crosses: bool) -> Option<Action> {
    match problem.kind {
        ProblemKind::Unreadable
        | ProblemKind::Empty
        | ProblemKind::Truncated
        | ProblemKind::Undecodable
        | ProblemKind::Duplicate => Some(Action::LeaveOut),
        ProblemKind::NearDuplicate => crosses.then_some(Action::LeaveOut),
        ProblemKind::Cmyk
        | ProblemKind::Ycck
        | ProblemKind::WrongName
        | ProblemKind::SixteenBit
        | ProblemKind::Animated
        | ProblemKind::Rotated => Some(Action::Mend),
        ProblemKind::NoEndMark
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
        | ProblemKind::Imbalance => None,
    }
}

/// Adds what to do about a problem to the step of its image. Of two actions, leaving it out prevails.
fn add_step(steps: &mut BTreeMap<String, FixStep>, problem: &Problem, action: Action) {
    let step = steps.entry(problem.file.clone()).or_insert_with(|| FixStep {
        file: problem.file.clone(),
        action,
        because: Vec::new(),
        detail: String::new(),
    });
    step.action = step.action.max(action);
    if !step.because.contains(&problem.kind) {
        step.because.push(problem.kind);
    }
    let separator = if step.detail.is_empty() { "" } else { "; " };
    step.detail += &format!("{separator}{}", problem.detail);
}

/// What to do about a plan that cannot be read.
fn unreadable_help(path: &Path) -> String {
    if path.is_dir() {
        return format!(
            "to create a plan: `alexnet data check {} --plan {}`",
            shell(path),
            shell(free_path(Path::new("plan.json")))
        );
    }
    let Ok(bytes) = std::fs::read(path) else {
        return format!("to create a plan: `alexnet data check SRC --plan {}`", shell(free_path(path)));
    };
    let plan: Value = serde_json::from_slice(&bytes).unwrap_or_default();
    let wrong = invalid_step(&plan).unwrap_or_else(|| "correct the plan there".to_owned());
    let source = plan["source"].as_str().map_or_else(|| "SRC".to_owned(), shell);
    let new = shell(free_path(path));
    format!("{wrong}; or create a new plan: `alexnet data check {source} --plan {new}`")
}

/// Says which step of a plan is invalid, and what is allowed.
fn invalid_step(plan: &Value) -> Option<String> {
    let mut steps = (1..).zip(plan["steps"].as_array()?);
    let (number, step) = steps.find(|(_, step)| FixStep::deserialize(*step).is_err())?;
    let file = step["file"].as_str().map_or_else(String::new, |file| format!(" ({file})"));
    if Action::deserialize(&step["action"]).is_ok() {
        return Some(format!("correct step {number}{file}, or remove it"));
    }
    Some(format!(
        "correct step {number}{file}: `action` is `{}` or `{}`, and an image without a step stays as it is",
        Action::Mend,
        Action::LeaveOut
    ))
}
