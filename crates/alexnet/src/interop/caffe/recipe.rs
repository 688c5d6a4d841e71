//! Definitions in text files to recipes.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use super::definition::{CaffeImages, Definition, Given, definition};
use super::message::{Message, Unknown};
use super::origin::Origin;
use super::schema::{NET, SOLVER};
use super::text::{MAX_TEXT, first_of, parse};
use crate::net::{Difference, Recipe};
use crate::{Error, Result};

/// A network definition of Caffe as a recipe.
#[derive(Clone, Debug, PartialEq)]
pub struct CaffeRecipe {
    /// The recipe. Its differences from the paper are [`CaffeRecipe::gaps`].
    pub recipe: Recipe,
    /// What has no counterpart in recipes, or is assumed.
    pub gaps: Vec<Difference>,
}

/// Reads and converts a network definition (`train_val.prototxt` or `deploy.prototxt`) and, if there is one, that of the solver
/// (`solver.prototxt`).
///
/// # Errors
/// Returns an error if a file cannot be read, or as [`convert`] does.
pub fn read_recipe(net: &Path, solver: Option<&Path>, images: CaffeImages) -> Result<CaffeRecipe> {
    let name = |path: &Path| path.display().to_string();
    let net_text = read_text(net)?;
    let solver_text = solver.map(read_text).transpose()?;
    let solver_name = solver.map(name).unwrap_or_default();
    let solver = solver_text.as_deref().map(|text| (text, solver_name.as_str()));
    convert((&net_text, &name(net)), solver, images)
}

/// Converts a network definition and, if there is one, that of the solver, each a text and its name in messages.
///
/// # Errors
/// Returns an error if a text is malformed, if layers have no counterpart in recipes, which are then all listed, if they are
/// not a chain, or if a value is out of range. The message states the line.
pub fn convert(net: (&str, &str), solver: Option<(&str, &str)>, images: CaffeImages) -> Result<CaffeRecipe> {
    let (net, unknown) = TextFile::parse_net(net)?;
    let solver = solver.map(TextFile::parse_solver).transpose()?;
    let of_solver = solver.as_ref().map(|(solver, _)| (&solver.message, &solver.origin));
    let given = Given { images, mean: None };
    let Definition { mut recipe, mut gaps, training_gaps, .. } =
        definition((&net.message, &net.origin), of_solver, given)?;
    gaps.extend(training_gaps);
    gaps.extend(unknown_fields(&net.origin, &unknown));
    gaps.extend(solver.iter().filter_map(|(solver, unknown)| unknown_fields(&solver.origin, unknown)));
    recipe.differences.clone_from(&gaps);
    Ok(CaffeRecipe { recipe, gaps })
}

/// A definition in a text file.
pub(super) struct TextFile {
    pub(super) message: Message,
    pub(super) origin: Origin,
}

/// Fields of a solver, of which every solver has one.
const OF_SOLVERS: [&str; 3] = ["base_lr", "lr_policy", "max_iter"];

/// Fields that tell a solver from a network.
const DISTINCT: [&str; 5] = ["layer", "layers", OF_SOLVERS[0], OF_SOLVERS[1], OF_SOLVERS[2]];

/// Whether a definition is a solver's, by the names of its fields: their values may be wrong, which its reader says. A text that is
/// neither is taken for a network.
///
/// # Errors
/// Returns an error if the text is malformed before it is known.
pub(super) fn is_solver((text, name): (&str, &str)) -> Result<bool> {
    let found = first_of(text, &Origin::text(name), &DISTINCT)?;
    Ok(found.is_some_and(|found| OF_SOLVERS.contains(&found)))
}

impl TextFile {
    pub(super) fn parse_net((text, name): (&str, &str)) -> Result<(Self, Unknown)> {
        let origin = Origin::text(name);
        let (message, unknown) = parse(text, &origin, &NET)?;
        Ok((Self { message, origin }, unknown))
    }

    pub(super) fn parse_solver((text, name): (&str, &str)) -> Result<(Self, Unknown)> {
        let origin = Origin::text(name);
        let (message, unknown) = parse(text, &origin, &SOLVER)?;
        if OF_SOLVERS.iter().all(|key| message.find(key).is_none()) {
            return Err(origin
                .refuse(None, "no `base_lr`, `lr_policy` or `max_iter`, expected a solver definition of Caffe")
                .help("specify the network definition first, then the solver's: `train_val.prototxt solver.prototxt`"));
        }
        Ok((Self { message, origin }, unknown))
    }
}

/// Names the fields that the conversion does not know.
pub(super) fn unknown_fields(origin: &Origin, unknown: &Unknown) -> Option<Difference> {
    Some(Difference {
        what: format!("Ignored: {}", unknown.list()?),
        why: format!("{}: recipes have no such settings", origin.name),
    })
}

/// Reads a text file.
pub(super) fn read_text(path: &Path) -> Result<String> {
    let failed = |error: std::io::Error| {
        Error::io(path, "read the file", &error)
            .help("specify a definition of Caffe, such as deploy.prototxt")
    };
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(failed)?;
    file.take(MAX_TEXT as u64 + 1).read_to_end(&mut bytes).map_err(failed)?;
    let origin = Origin::text(&path.display().to_string());
    if bytes.len() > MAX_TEXT {
        return Err(origin.refuse(None, format!("more than {MAX_TEXT} bytes, expected a text")).help(
            "specify a network definition such as deploy.prototxt; weights are in a .caffemodel file",
        ));
    }
    String::from_utf8(bytes).map_err(|error| {
        let before = &error.as_bytes()[..error.utf8_error().valid_up_to()];
        let line = 1 + before.iter().filter(|&&byte| byte == b'\n').count();
        origin
            .refuse(Some(line), "not UTF-8, expected a text")
            .help("specify a network definition such as deploy.prototxt; weights are in a .caffemodel file")
    })
}
