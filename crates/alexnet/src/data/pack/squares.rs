//! Checks that packed squares suit a recipe or a model.

use std::path::Path;

use super::manifest::Manifest;
use crate::error::shell;
use crate::net::{Orientation, Recipe};
use crate::{Error, Result};

/// How the squares of a packed set were made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PackedSquares {
    /// The folder, as named by the user.
    folder: String,
    /// The source that was packed, as named then.
    source: String,
    side: usize,
    orientation: Orientation,
    /// The number of images whose EXIF orientation makes a difference; `None` if packed by a version that did not count them.
    rotated: Option<usize>,
}

/// Who needs the squares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SquaresUser {
    /// A recipe, which can be changed.
    Recipe,
    /// A trained model, which cannot be changed.
    Model,
    /// Packing again.
    Packing,
}

impl PackedSquares {
    /// The squares of a packed folder.
    pub(in crate::data) fn of(manifest: &Manifest, folder: &Path) -> Self {
        Self {
            folder: folder.display().to_string(),
            source: manifest.source.clone(),
            side: manifest.side,
            orientation: manifest.orientation,
            rotated: manifest.rotated,
        }
    }

    /// Checks that the packed squares have this side and orientation. Resizing squares again would not give the same pixels as the
    /// source, and rotated images would be learned or evaluated sideways. Returns a note for the user if the folder does not say.
    pub(in crate::data) fn check(
        &self,
        side: usize,
        orientation: Orientation,
        user: SquaresUser,
    ) -> Result<Option<String>> {
        let Self { folder, source, .. } = self;
        let who = match user {
            SquaresUser::Recipe => "the recipe",
            SquaresUser::Model => "the model",
            SquaresUser::Packing => "packing",
        };
        if side != self.side {
            let packed = self.side;
            let message = format!(
                "{folder} is packed at {packed} x {packed} pixels, but {who} requires {side} x {side}"
            );
            let pack =
                format!("pack {source} again with that side: `alexnet data pack SRC OUT --side {side}`");
            return Err(Error::data(message).help(match user {
                SquaresUser::Recipe => {
                    let other =
                        recipe_of(packed).map_or(String::new(), |name| format!("; or `--recipe {name}`"));
                    format!("{pack}{other}")
                }
                SquaresUser::Model | SquaresUser::Packing => pack,
            }));
        }
        if orientation == self.orientation {
            return Ok(None);
        }
        match self.rotated {
            Some(0) => Ok(None),
            Some(rotated) => {
                let images = if rotated == 1 { "image differs" } else { "images differ" };
                let how = |orientation| match orientation {
                    Orientation::Exif => "with EXIF orientation applied",
                    Orientation::Stored => "as stored",
                };
                let message = format!(
                    "{folder} is packed {}, but {who} requires images {}: {rotated} {images}",
                    how(self.orientation),
                    how(orientation)
                );
                let word = orientation.name();
                let pack = format!("pack {source} again: `alexnet data pack SRC OUT --orientation {word}`");
                Err(Error::data(message).help(match user {
                    SquaresUser::Recipe => format!(
                        "{pack}; or change the recipe: `--set input.orientation={}`",
                        self.orientation.name()
                    ),
                    SquaresUser::Model | SquaresUser::Packing => pack,
                }))
            }
            None => Ok(Some(format!(
                "{folder} was packed by an earlier version, which ignored EXIF orientation: photos that rely on it are rotated; to fix \
                 that, pack the source again"
            ))),
        }
    }
}

/// Returns the first built-in recipe with squares of this side.
pub fn recipe_of(side: usize) -> Option<&'static str> {
    Recipe::builtin_names().find(|name| Recipe::load(name).is_ok_and(|recipe| recipe.input.square == side))
}

/// Returns a command that trains on a folder of squares of this side.
pub fn train_command(folder: &Path, side: usize) -> String {
    // The paper's crop of 224 pixels needs larger squares.
    let changed = || match side {
        224.. => format!("paper --set input.square={side}"),
        _ => format!("small --set input.square={side} --set input.crop={side}"),
    };
    let recipe = recipe_of(side).map_or_else(changed, str::to_owned);
    format!("alexnet train {} --recipe {recipe}", shell(folder))
}

#[cfg(test)]
mod tests {
    use super::*;
    use Orientation::{Exif, Stored};
    use SquaresUser::Model;

    fn squares(orientation: Orientation, rotated: Option<usize>) -> PackedSquares {
        PackedSquares { folder: "packed".into(), source: "pets".into(), side: 28, orientation, rotated }
    }

    #[test]
    fn another_side_is_rejected_with_help() {
        let error = squares(Exif, Some(0)).check(256, Exif, SquaresUser::Recipe).unwrap_err();
        assert_eq!(error.message, "packed is packed at 28 x 28 pixels, but the recipe requires 256 x 256");
        let help = error.help.unwrap();
        assert!(
            help.contains("pack pets again with that side: `alexnet data pack SRC OUT --side 256`"),
            "{help}"
        );
        // The crop of the recipe would not fit these squares.
        assert!(help.contains("`--recipe small`") && !help.contains("--set"), "{help}");
        assert_eq!(
            [256, 28, 32, 100].map(recipe_of),
            [Some("paper"), Some("small"), Some("cifar-18pct"), None]
        );
        let help = squares(Exif, Some(0)).check(8, Exif, Model).unwrap_err().help.unwrap();
        assert!(help.contains("--side 8") && !help.contains("--set"), "{help}");
    }

    #[test]
    fn another_orientation_is_rejected_only_if_it_makes_a_difference() {
        for (packed, rotated, asked) in [
            (Exif, Some(3), Exif),
            (Stored, Some(3), Stored),
            (Stored, None, Stored),
            (Exif, Some(0), Stored),
        ] {
            assert_eq!(
                squares(packed, rotated).check(28, asked, Model).unwrap(),
                None,
                "{packed:?} {asked:?}"
            );
        }
        let error = squares(Stored, Some(1)).check(28, Exif, SquaresUser::Recipe).unwrap_err();
        assert!(error.message.contains("1 image differs"), "{error}");
        assert!(error.help.unwrap().contains("--orientation exif"));
        let error = squares(Exif, Some(2)).check(28, Stored, Model).unwrap_err();
        assert!(
            error.message.contains("the model requires images as stored")
                && error.message.contains("2 images differ")
        );
        assert!(error.help.unwrap().contains("--orientation stored"));
        let note = squares(Stored, None).check(28, Exif, Model).unwrap().unwrap();
        assert!(note.contains("earlier version"), "{note}");
    }
}
